"""Public data sets with labels, each read as it was published and told apart by its hash."""

"""Results become a page or a table that a person reads; no arithmetic on verdicts."""

"""Classifiers on torch networks; imported by name only, with the extra ``[deep]``."""

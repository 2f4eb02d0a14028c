"""Defects of data, splits and fits that make a result unbelievable, each caught by name."""

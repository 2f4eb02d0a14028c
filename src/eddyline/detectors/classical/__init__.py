"""The classical methods, each scoring a row by what was learned alone."""

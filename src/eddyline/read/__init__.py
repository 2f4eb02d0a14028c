"""Bytes become flows: one file per format, chosen by content, with an account of what was lost."""

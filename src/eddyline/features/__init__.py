"""Flows become numbers: one family per file; a view says how flows become rows."""

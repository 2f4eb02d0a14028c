"""Scores become verdicts: calibrated p-values, thresholds, fusion of legs and reasons."""

"""Honest figures: incidents and flows against labels, beside trivial baselines."""

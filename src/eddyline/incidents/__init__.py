"""Verdicts become stories: grouped, named, ranked."""

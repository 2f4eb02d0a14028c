"""Checks that everything registered must pass, and strategies to test plug-ins with."""

"""Shapes of traffic that have a name: found in the flows of a window, with exactly the flows that show it."""

"""Densities: how unlikely a row is under a model of rows; trained with torch, scored without."""

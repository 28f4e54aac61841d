"""Metrics: counts of a prediction against its mask."""

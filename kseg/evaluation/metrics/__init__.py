"""Metrics: compare predicted labels with masks."""

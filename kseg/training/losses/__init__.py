"""Losses of pixels and regions, by name."""

"""Boxes in Keras operations."""

"""Augmentation: operations on an image and its mask."""

"""Data augmentation of an image and its mask."""

"""Labelled images: folders, scenes, formats, checks, transforms and loading."""

"""Labelled images: folders, scenes, formats, checks, transforms, loading."""

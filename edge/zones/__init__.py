"""Zones of the frame: polygons in a file, and what is measured in each of them."""

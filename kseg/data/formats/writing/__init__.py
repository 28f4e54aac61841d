"""Writes labels in the formats of labelling tools, for correction there."""

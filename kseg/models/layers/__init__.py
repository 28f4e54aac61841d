"""Layers and blocks shared by the networks."""

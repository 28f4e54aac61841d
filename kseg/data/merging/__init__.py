"""Adds labelled images to a data folder that is already there."""

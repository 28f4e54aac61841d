"""Checks of a data set: what the doctor finds."""

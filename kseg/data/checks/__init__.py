"""Checks of a data set, used by `kseg.doctor` and before training."""

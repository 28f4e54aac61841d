"""The report page and the figures of runs and data sets."""

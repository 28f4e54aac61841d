"""Measures a model on a split of a data set.

kseg evaluate --help
"""

from kseg.cli.entry import verb

verb(__name__)

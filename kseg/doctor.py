"""Checks a data set for errors before training.

kseg doctor --help
"""

from kseg.cli.entry import verb

verb(__name__)

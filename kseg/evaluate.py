"""Measures a model on a split at the masks' own size.

kseg evaluate --help
"""

from kseg.cli.entry import verb

verb(__name__)

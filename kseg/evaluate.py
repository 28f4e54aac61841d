"""Measures a model on a split at the masks' own size.

python -m kseg.evaluate --help
"""

from kseg.cli.entry import verb

verb(__name__, __spec__)

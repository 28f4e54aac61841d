"""Trains a network on labelled images.

python -m kseg.train --help
"""

from kseg.cli.entry import verb

verb(__name__, __spec__)

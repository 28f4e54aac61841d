"""Trains a network on labelled images.

kseg train --help
"""

from kseg.cli.entry import verb

verb(__name__)

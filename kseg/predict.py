"""Segments images: writes a mask and an overlay for each.

kseg predict --help
"""

from kseg.cli.entry import verb

verb(__name__)

"""Segments images: a mask and an overlay for each.

python -m kseg.predict --help
"""

from kseg.cli.entry import verb

verb(__name__, __spec__)

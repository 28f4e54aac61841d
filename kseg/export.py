"""Converts a trained run for devices and measures what that cost.

python -m kseg.export --help
"""

from kseg.cli.entry import verb

verb(__name__, __spec__)

"""Converts a trained run for devices and measures what that cost.

kseg export --help
"""

from kseg.cli.entry import verb

verb(__name__)

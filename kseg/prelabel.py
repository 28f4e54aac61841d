"""Writes what a model finds in images as labels that people correct.

kseg prelabel --help
"""

from kseg.cli.entry import verb

verb(__name__)

"""Converts another tool's export to a data folder.

kseg prepare --help
"""

from kseg.cli.entry import verb

verb(__name__)

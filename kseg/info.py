"""Prints versions, processor, accelerators and cache, for a bug report.

kseg info --help
"""

from kseg.cli.entry import verb

verb(__name__)

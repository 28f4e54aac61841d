"""Brings another tool's export into the one layout of folders.

kseg prepare --help
"""

from kseg.cli.entry import verb

verb(__name__)

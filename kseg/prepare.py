"""Brings another tool's export into the one layout of folders.

python -m kseg.prepare --help
"""

from kseg.cli.entry import verb

verb(__name__, __spec__)

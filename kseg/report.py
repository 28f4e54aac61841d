"""Writes a page that shows a run.

kseg report --help
"""

from kseg.cli.entry import verb

verb(__name__)

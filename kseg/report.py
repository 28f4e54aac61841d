"""Writes report.html, one file that shows a run to people.

kseg report --help
"""

from kseg.cli.entry import verb

verb(__name__)

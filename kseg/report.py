"""Writes report.html, one file that shows a run to people.

python -m kseg.report --help
"""

from kseg.cli.entry import verb

verb(__name__, __spec__)

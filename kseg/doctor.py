"""Looks over a data set before it is trained on.

kseg doctor --help
"""

from kseg.cli.entry import verb

verb(__name__)

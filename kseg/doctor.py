"""Looks over a data set before it is trained on.

python -m kseg.doctor --help
"""

from kseg.cli.entry import verb

verb(__name__, __spec__)

"""Measures kseg on this machine; it needs a checkout.

python -m kseg.benchmark --help
"""

from kseg.cli.entry import verb

verb(__name__, __spec__)

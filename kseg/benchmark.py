"""Measures kseg on this machine; it needs a checkout.

kseg benchmark --help
"""

from kseg.cli.entry import verb

verb(__name__)

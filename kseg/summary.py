"""Says what a network costs and what it sees, without running it.

kseg summary --help
"""

from kseg.cli.entry import verb

verb(__name__)

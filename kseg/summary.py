"""Shows the size, operations and receptive field of networks.

kseg summary --help
"""

from kseg.cli.entry import verb

verb(__name__)

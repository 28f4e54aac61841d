"""Segments a camera, video or stream.

kseg live --help
"""

from kseg.cli.entry import verb

verb(__name__)

"""Prints a script that completes commands, options and files in a shell.

kseg completion --help
"""

from kseg.cli.entry import verb

verb(__name__)

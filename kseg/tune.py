"""Searches the options of a training by many short trainings.

kseg tune --help
"""

from kseg.cli.entry import verb

verb(__name__)

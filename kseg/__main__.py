"""Runs a command by its name: `python -m kseg VERB`."""

from edge.core.arguments import run
from kseg.cli.entry import main

if __name__ == "__main__":
    run("kseg", main)

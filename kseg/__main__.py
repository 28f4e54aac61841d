"""The program `kseg COMMAND`; `python -m kseg COMMAND` is the same."""

from typing import NoReturn

from edge.core.arguments import run
from kseg.cli import entry


def main() -> NoReturn:
    """Runs the command of sys.argv and exits with its status."""
    run("kseg", entry.main)


if __name__ == "__main__":
    main()

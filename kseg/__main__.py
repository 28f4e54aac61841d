"""The command `kseg COMMAND`, which is `python -m kseg COMMAND` as well."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command of sys.argv and exits with its status."""
    try:
        from edge.core.arguments import run
        from kseg.cli import entry
    except KeyboardInterrupt:  # before `run` can say so
        sys.exit(130)
    run("kseg", entry.main)


if __name__ == "__main__":
    main()

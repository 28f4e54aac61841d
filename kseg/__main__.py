"""The command `kseg COMMAND`, which is `python -m kseg COMMAND` as well."""

from typing import NoReturn


def main() -> NoReturn:
    """Runs the command of sys.argv and exits with its status."""
    from edge.core.interrupts import exit_on_interrupt

    exit_on_interrupt("kseg")  # before the imports that take long
    from edge.core.arguments import run
    from edge.core.native_calls import own_process
    from kseg.cli import entry

    own_process()
    run("kseg", entry.main)


if __name__ == "__main__":
    main()

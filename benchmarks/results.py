"""What a benchmark prints, and the file of its --json."""

from __future__ import annotations

from typing import Any, Callable

from kseg.cli.tables import write_result

JSON_HELP = "also write the figures here; - is stdout"


def show(figures: dict[str, Any], table: Callable[[Any], str], target: str) -> None:
    """Prints the table of the figures and writes them to `target`, a file or nothing.

    `-` is stdout, which then holds the JSON alone.
    """
    if target != "-":
        print(table(figures))
    write_result(target, figures)

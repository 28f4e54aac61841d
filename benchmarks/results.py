"""Prints the results of a benchmark and writes them to --json."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from kseg.cli.tables import write_result
from kseg.core import options

option = partial(options.option, basic=True)  # --help shows every option
JSON_HELP = "also write the results to this JSON file; - is stdout"


def show(figures: dict[str, Any], table: Callable[[Any], str], target: str) -> None:
    """Writes the results to the JSON file `target`, if any, and prints them as a table.

    With "-" only the JSON is written, to stdout.
    """
    write_result(target, figures)
    if target != "-":
        print(table(figures))

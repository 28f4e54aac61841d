"""Prints the results of a benchmark and writes them to --json."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from kseg.cli.tables import write_result
from kseg.core import options

option = partial(options.option, basic=True)  # --help shows every option
JSON_HELP = "also write the results to this JSON file; - is stdout"


def show(figures: dict[str, Any], table: Callable[[Any], str], target: str) -> None:
    """Prints the results as a table and writes them to the JSON file `target`, if any.

    With "-" only the JSON is written, to stdout.
    """
    if target != "-":
        print(table(figures))
    write_result(target, figures)

import inspect
from dataclasses import dataclass
from typing import Any

import kseg
from kseg.core.options import option, positional
from kseg.core.signatures import takes_options


@dataclass(frozen=True)
class PaintConfig:
    wall: str = positional("what to paint")
    coats: int = option(1, "number of coats")
    json: str = option("", "for the command line")


@takes_options(PaintConfig)
def paint(wall: str, *, config: PaintConfig | None = None, **options: Any) -> str:
    """Paints a wall."""
    return f"{wall} {options}"


def test_options_become_keywords_with_their_default_and_help():
    signature = inspect.signature(paint)
    assert [*signature.parameters] == ["wall", "config", "coats"]
    assert signature.parameters["coats"].default == 1
    assert signature.return_annotation is str
    assert "coats: number of coats" in inspect.getdoc(paint)
    assert paint("north", coats=2) == "north {'coats': 2}"


def test_functions_of_the_api_list_their_options():
    parameters = inspect.signature(kseg.train).parameters
    assert {"data", "progress", "encoder", "epochs", "size", "resume"} <= {*parameters}
    assert "json" not in parameters and "options" not in parameters
    assert "epochs: passes over the training images" in kseg.train.__doc__

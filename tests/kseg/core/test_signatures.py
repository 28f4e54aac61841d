import importlib
import inspect
from dataclasses import dataclass
from typing import Any

from kseg import api
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
    parameters = inspect.signature(api.train).parameters
    assert {"data", "progress", "encoder", "epochs", "size", "resume"} <= {*parameters}
    assert "json" not in parameters and "options" not in parameters
    assert "epochs: passes over the training images" in api.train.__doc__


def test_the_module_of_a_command_has_the_signature_of_its_function():
    module = importlib.import_module("kseg.train")
    assert inspect.signature(module) == inspect.signature(api.train)

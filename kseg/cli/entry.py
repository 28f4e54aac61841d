"""Starts a command by its name: `kseg train`, and `python -m kseg.train` as well."""

from __future__ import annotations

import inspect
import runpy
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Optional, Sequence

from edge.core.arguments import run
from edge.core.errors import InputError
from edge.core.imports import quiet_imports
from edge.core.suggestions import suggestion
from kseg.core.names import VERBS, __version__

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks" / "__main__.py"


class Command(ModuleType):
    """A module such as kseg.train that can be called: with the function of its name."""

    @property
    def function(self) -> Callable[..., Any]:
        """The function of kseg.api. Raises TypeError for a command without one."""
        api, name = import_module("kseg.api"), self.__name__.rpartition(".")[2]
        if not hasattr(api, name):
            raise TypeError(
                f"{self.__name__} has no Python function; run the command kseg {name}"
            )
        return getattr(api, name)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.function)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.function(*args, **options)


def verb(name: str) -> None:
    """Runs the command of a file of kseg; `name` is its `__name__`.

    Imported rather than run, the module becomes callable: `kseg.train(...)` is the
    function of kseg.api, before and after an `import kseg.train`.
    """
    if name == "__main__":
        spec = sys.modules["__main__"].__spec__
        module = spec.name if spec else Path(sys.argv[0]).stem
        start(module.rpartition(".")[2])
    sys.modules[name].__class__ = Command


def start(name: str) -> None:
    """Runs a command on sys.argv and exits with its status."""
    if name == "benchmark":
        run("kseg benchmark", benchmark)

    def main(argv: Optional[Sequence[str]] = None) -> Optional[int]:
        with quiet_imports():
            module = import_module(f"kseg.cli.{name}")
        return module.main(argv)

    run(f"kseg {name}", main)


def benchmark(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the benchmarks of a checkout; they are not in the wheel.

    Raises InputError if they are missing.
    """
    if not BENCHMARKS.is_file():
        raise InputError(
            "the benchmarks are in a checkout of kseg, not in the installed package; "
            "clone it and run kseg benchmark there"
        )
    sys.path.insert(0, str(ROOT))
    runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """`kseg COMMAND`. Without a command it lists all."""
    words = sys.argv[1:] if argv is None else list(argv)
    if not words or words[0] in ("-h", "--help", "--help-all"):
        print(overview())
        return
    if words[0] == "--version":
        print(f"kseg {__version__}")
        return
    if words[0] not in VERBS:
        raise InputError(
            f"{words[0]}: is not a command of kseg{suggestion(words[0], VERBS)}"
        )
    sys.argv[1:] = words[1:]
    start(words[0])


def overview() -> str:
    """The commands, one line each."""
    lines = [f"  {name:11} {text}" for name, text in VERBS.items()]
    head = "usage: kseg COMMAND ...; kseg COMMAND --help lists its options"
    return "\n".join([head, "", *lines])

"""Work on many items: on threads, with progress, or on a few of them."""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Callable, Iterable, Iterator, Optional, TypeVar

from tqdm import tqdm

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Progress:
    """The progress of a long operation.

    `done` of `total` units (`unit` names them; `total` is None if it is not known),
    `seconds` since the start, `remaining_seconds` by the recent rate or None, `values`
    such as the loss.
    """

    stage: str
    done: int
    total: Optional[int]
    unit: str
    seconds: float
    remaining_seconds: Optional[float]
    values: dict[str, str] = field(default_factory=dict)


ProgressCallback = Callable[[Progress], None]
_callback: ContextVar[Optional[ProgressCallback]] = ContextVar("callback", default=None)


@contextmanager
def reported_to(callback: Optional[ProgressCallback]) -> Iterator[None]:
    """In the block, progress goes to `callback` instead of a bar; None changes nothing.

    It is called about ten times a second, in the thread that works.
    """
    if callback is None:
        yield
        return
    token = _callback.set(callback)
    try:
        yield
    finally:
        _callback.reset(token)


class CallbackBar(tqdm):
    """A tqdm bar that tells a function instead of drawing."""

    def __init__(self, *args: Any, callback: ProgressCallback, **options: Any):
        self.callback = callback
        quiet = {"disable": False, "delay": 0, "leave": False, "file": io.StringIO()}
        super().__init__(*args, **{**options, **quiet})

    def display(self, msg: Any = None, pos: Any = None) -> bool:
        state = self.format_dict
        rate, total = state["rate"], state["total"]
        left = (total - state["n"]) / rate if rate and total else None
        values = dict(
            part.split("=", 1)
            for part in (self.postfix or "").split(", ")
            if "=" in part
        )
        text = self.desc.removesuffix(": ") if self.desc else ""
        self.callback(
            Progress(text, self.n, total, self.unit, state["elapsed"], left, values)
        )
        return True

    def clear(self, nolock: bool = False) -> None:
        """Nothing is drawn, so there is nothing to clear."""


def in_notebook() -> bool:
    """Whether tqdm can draw a widget: in a Jupyter kernel with ipywidgets."""
    return "ipykernel" in sys.modules and find_spec("ipywidgets") is not None


def evenly_spaced(total: int, count: int) -> list[int]:
    """At most `count` whole numbers below `total`, the first and the last among them.

    >>> evenly_spaced(10, 4), evenly_spaced(3, 4)
    ([0, 3, 6, 9], [0, 1, 2])
    """
    count = min(count, total)
    if count < 2:
        return [0] * count
    return [round(index * (total - 1) / (count - 1)) for index in range(count)]


def in_parallel(function: Callable[[T], R], items: list[T], name: str) -> list[R]:
    """`function` of each item, on threads, with a progress bar if it takes a while."""
    with ThreadPoolExecutor() as pool:
        done: Iterable[R] = pool.map(function, items)
        return list(bar(done, f"checking {name}", total=len(items)))


def bar(items: Any = None, text: str = "", **options: Any) -> tqdm:
    """A progress bar in a terminal or a notebook, for work of more than two seconds.

    Inside `reported_to` it calls that function instead.
    """
    callback = _callback.get()
    if callback is not None:
        return CallbackBar(items, text, callback=callback, **options)
    if in_notebook():
        from tqdm.notebook import tqdm as notebook_bar

        return notebook_bar(items, text, **{"leave": False, "delay": 2} | options)
    quiet = not (sys.stderr.isatty() or "ipykernel" in sys.modules)
    return tqdm(items, text, **{"leave": False, "delay": 2, "disable": quiet} | options)

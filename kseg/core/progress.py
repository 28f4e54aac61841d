"""Work on many items: on threads, with progress, or on a few of them."""

from __future__ import annotations

import io
import logging
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Callable, Generator, Iterable, Iterator, Optional, TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

AHEAD = 64  # items that threads work on, or have done, before their results are used
FIRST_LINE, NEXT_LINE = 2.0, 10.0  # seconds between lines of progress

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
    """`function` of each item, on threads, with progress if it takes a while.

    The first exception, and Ctrl-C, end the work at once.
    """
    with closing(in_order(function, items)) as results:
        return list(shown(results, f"checking {name}", len(items)))


def in_order(
    function: Callable[[T], R], items: Iterable[T]
) -> Generator[R, None, None]:
    """Yields `function` of each item in their order; a few are computed ahead.

    Closing it cancels the work that has not begun.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor() as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def shown(items: Iterable[T], text: str, total: int) -> Iterator[T]:
    """The items with a progress bar; without a terminal, with a line now and then."""
    if _callback.get() is not None or in_notebook() or sys.stderr.isatty():
        yield from bar(items, text, total=total)
        return
    start = time.monotonic()
    due = start + FIRST_LINE
    for done, item in enumerate(items, start=1):
        yield item
        if (now := time.monotonic()) > due and done < total:
            left = time_left(now - start, done, total)
            log.info(f"{text}: {done:,} of {total:,}{left}")
            due = now + NEXT_LINE


def time_left(seconds: float, done: int, total: int) -> str:
    """How long the rest takes, as the end of a line, if `done` took `seconds`.

    >>> time_left(6.0, 2, 5), time_left(6.0, 5, 5)
    (', about 9 s left', '')
    """
    if done >= total:
        return ""
    return f", about {duration(seconds / done * (total - done))} left"


def duration(seconds: float) -> str:
    """Seconds as text, in minutes if there are many.

    >>> duration(45.2), duration(400)
    ('45 s', '7 min')
    """
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


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

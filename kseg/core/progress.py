"""Work on many items: on threads, with a progress bar, or on a few of them."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterable, TypeVar

import numpy as np
from tqdm import tqdm

T = TypeVar("T")
R = TypeVar("R")


def evenly_spaced(total: int, count: int) -> list[int]:
    """At most `count` whole numbers below `total`, the first and the last among them.

    >>> evenly_spaced(10, 4), evenly_spaced(3, 4)
    ([0, 3, 6, 9], [0, 1, 2])
    """
    spread = np.linspace(0, total - 1, min(count, total))
    return [int(index) for index in spread.round()]


def in_parallel(function: Callable[[T], R], items: list[T], name: str) -> list[R]:
    """`function` of each item, on threads, with a bar where it takes a while."""
    with ThreadPoolExecutor() as pool:
        done: Iterable[R] = pool.map(function, items)
        return list(bar(done, f"checking {name}", total=len(items)))


def bar(items: Any = None, text: str = "", **options: Any) -> tqdm:
    """A tqdm bar that stays quiet where the work is short, and in a log."""
    options = {
        "leave": False,
        "delay": 2,
        "disable": not sys.stderr.isatty(),
        **options,
    }
    return tqdm(items, text, **options)

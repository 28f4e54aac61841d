"""The one layout of folders: DIR/{train,val,test}/{images,masks}/ with equal stems.

Masks hold class ids, or colours that `classes.json` lists. Everything is looked at
once when the folder is opened, so that training does not fail an hour later.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterable, TypeVar

from tqdm import tqdm

DEPTH_SAMPLES = 16


T = TypeVar("T")
R = TypeVar("R")


def evenly_spaced(items: list[T]) -> list[T]:
    return items[:: max(1, len(items) // DEPTH_SAMPLES)]


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

"""Bars for long work, on stderr, with the time left."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def bar(items: Any = None, text: str = "", **options: Any) -> tqdm:
    """A tqdm bar that stays quiet where the work is short, and in a log."""
    options = {
        "leave": False,
        "delay": 2,
        "disable": not sys.stderr.isatty(),
        **options,
    }
    return tqdm(items, text, **options)

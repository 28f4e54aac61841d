"""Bars for long work, on stderr, with the time left."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

# A terminal redraws its line; a log gets a line each time.
SECONDS_IN_LOG = 30


def bar(items: Any = None, text: str = "", **options: Any) -> tqdm:
    """A tqdm bar that stays quiet where the work is short, and calm in a log."""
    if not sys.stderr.isatty():
        options["mininterval"] = SECONDS_IN_LOG
    return tqdm(items, text, **{"leave": False, "delay": 2, **options})

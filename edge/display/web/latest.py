"""A value that any number of readers wait for."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import Any, Iterator


class Latest:
    """Holds the latest value for any number of readers."""

    def __init__(self):
        self.value: Any = None
        self.readers: set[asyncio.Event] = set()

    def put(self, value: Any) -> None:
        self.value = value
        for updated in self.readers:
            updated.set()

    @contextmanager
    def reader(self) -> Iterator[asyncio.Event]:
        """An event that is set at each new value."""
        updated = asyncio.Event()
        self.readers.add(updated)
        try:
            yield updated
        finally:
            self.readers.discard(updated)

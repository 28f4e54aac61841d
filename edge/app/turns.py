"""Fair turns: of several sources, whose frame the network gets next."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple, Optional


class Turn(NamedTuple):
    """The turn of a source: its item, or the exception that has ended it."""

    number: int
    item: Any


class Turns:
    """Passes the items of several sources on, one source after the other.

    There is room for one item of each source. Of the sources that have an item, the
    next turn is that of the one whose last turn is longest ago. So a source that always
    has one does not keep others waiting, and one that has none does not hold them up.
    """

    def __init__(self, count: int):
        self._changed = threading.Condition()
        self._items: list[list[Any]] = [[] for _ in range(count)]
        self._ends: list[Optional[BaseException]] = [None] * count
        # Sources that may still have a turn, the one that waits longest first.
        self._waiting = list(range(count))

    def put(self, number: int, item: Any) -> bool:
        """Put an item of a source once it has room. False if the source has ended."""
        items = self._items[number]
        with self._changed:
            self._changed.wait_for(lambda: not items or self._ends[number])
            if not self._ends[number]:
                items.append(item)
                self._changed.notify_all()
            return not self._ends[number]

    def replace(self, number: int, item: Any) -> bool:
        """Put an item of a source at once. Returns whether it replaced another one."""
        with self._changed:
            replaced = bool(self._items[number])
            self._items[number][:] = [item]
            self._changed.notify_all()
            return replaced

    def take(self) -> Optional[Turn]:
        """Wait for the next turn. None once all sources have ended and had theirs.

        The last turn of a source has the reason of its `end`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._next() >= 0 or not self._waiting)
            number = self._next()
            if number < 0:
                return None
            self._waiting.remove(number)
            self._changed.notify_all()
            if not self._items[number]:
                return Turn(number, self._ends[number])
            self._waiting.append(number)
            return Turn(number, self._items[number].pop())

    def _next(self) -> int:
        """The source that is next, or -1."""
        ready = (n for n in self._waiting if self._items[n] or self._ends[n])
        return next(ready, -1)

    def ended(self, number: int) -> bool:
        """Whether a source has ended."""
        return self._ends[number] is not None

    def end(self, number: int, reason: BaseException) -> None:
        """End a source, after its item if there is one; the first reason is kept."""
        with self._changed:
            self._ends[number] = self._ends[number] or reason
            self._changed.notify_all()

    def drop(self, number: int, reason: BaseException) -> None:
        """End a source that has no further turn."""
        with self._changed:
            self._items[number].clear()
            if number in self._waiting:
                self._waiting.remove(number)
        self.end(number, reason)

    def end_all(self, reason: BaseException) -> None:
        """End all sources."""
        for number in range(len(self._ends)):
            self.end(number, reason)

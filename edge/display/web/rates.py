"""How many requests a client may make."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Callable, NamedTuple

TOKENS_PER_SECOND = 20.0
MOST_TOKENS = 40.0  # that a client which was quiet can use at once
MOST_CLIENTS = 1000  # that are remembered


class Bucket(NamedTuple):
    """The tokens that a client had at a time, in seconds of the clock."""

    tokens: float
    time: float


class RateLimit:
    """A token bucket for each client; `clock` returns seconds.

    >>> limit = RateLimit(per_second=2, most=1, clock=lambda: 0.0)
    >>> limit.take("192.0.2.1"), limit.take("192.0.2.1"), limit.take("192.0.2.2")
    (0.0, 0.5, 0.0)
    """

    def __init__(
        self,
        per_second: float = TOKENS_PER_SECOND,
        most: float = MOST_TOKENS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.per_second, self.most, self.clock = per_second, most, clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, client: str, tokens: float = 1.0) -> float:
        """Take tokens of a client: 0, or after how many seconds there are enough."""
        now = self.clock()
        last = self._buckets.pop(client, Bucket(self.most, now))
        held = min(self.most, last.tokens + (now - last.time) * self.per_second)
        missing = tokens - held
        if missing <= 0:
            held -= tokens
        self._buckets[client] = Bucket(held, now)
        while len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)  # the one that has asked least recently
        return max(0.0, missing / self.per_second)

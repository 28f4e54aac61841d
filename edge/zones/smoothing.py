"""A moving average over the seconds of irregular frames."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import (
    Any,
    Deque,
    Dict,
    Generic,
    Hashable,
    Mapping,
    NamedTuple,
    Optional,
    TypeVar,
)

K = TypeVar("K", bound=Hashable)
NANOS = 10**9


class Span(NamedTuple):
    """The time that a frame stands for: `nanos` up to `end`, and its values."""

    end: int
    nanos: int
    values: Mapping[Any, int]


class MovingAverage(Generic[K]):
    """The mean of integers by key over the last `seconds`, a missing key being 0.

    A frame stands for the time since the frame before it, so that the newest frame
    counts at once and a long gap leaves nothing of what was before it. The first frame
    is its own mean. Sums are of integers and exact: nothing adds up over days. A time
    that runs backwards, as of a source that starts again, starts the mean again.

    >>> mean = MovingAverage(2.0)
    >>> [mean(second, {"a": n}).get("a", 0) for second, n in ((0, 4), (1, 4), (3, 1))]
    [4, 4.0, 1.0]
    >>> mean(4.5, {"a": 3})  # half a second of 1, one and a half of 3
    {'a': 2.5}
    """

    def __init__(self, seconds: float):
        self.nanos = round(seconds * NANOS)
        self.clear()

    def clear(self) -> None:
        """Start again."""
        self._spans: Deque[Span] = deque()
        self._sums: Dict[K, int] = defaultdict(int)
        self._covered = 0
        self._last: Optional[int] = None

    def __call__(self, seconds: float, values: Mapping[K, int]) -> Dict[K, float]:
        """Take the values of the next frame, at `seconds`; the means up to now."""
        now = round(seconds * NANOS)
        if self._last is not None and now < self._last:
            self.clear()
        passed = 0 if self._last is None else min(now - self._last, self.nanos)
        self._last = now
        if passed:
            self._add(Span(now, passed, dict(values)), 1)
        while self._spans and self._spans[0].end <= now - self.nanos:
            self._add(self._spans[0], -1)
        if not self._covered:
            return dict(values)
        return self._means(now - self.nanos)

    def _add(self, span: Span, sign: int) -> None:
        """Append a span, or with -1 remove the first one."""
        if sign > 0:
            self._spans.append(span)
        else:
            self._spans.popleft()
        self._covered += sign * span.nanos
        for key, value in span.values.items():
            self._sums[key] += sign * value * span.nanos
            if not self._sums[key]:
                del self._sums[key]

    def _means(self, start: int) -> Dict[K, float]:
        """The means from `start` on: the first span may begin before it."""
        first = self._spans[0]
        before = max(0, start - (first.end - first.nanos))
        covered = self._covered - before
        return {
            key: (total - before * first.values.get(key, 0)) / covered
            for key, total in self._sums.items()
        }

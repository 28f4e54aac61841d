"""The camera loop: frames from sources through one network to their sinks."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any, Callable, Optional, Sequence

import cv2

from edge.app.feed import Feed
from edge.app.threads import Predicted, PredictionThreads, SourceEnd
from edge.core.log import say
from edge.core.timing import Rate
from edge.events.event import END_OF_SOURCE, FAILED, STOPPED

LOOK_SECONDS = 0.5  # after which sources without frames are looked at


class CameraLoop:
    """Predicts the frames of feeds until they end, or a limit or a viewer ends it.

    The feeds share one engine, in fair turns. One that ends or fails does not end the
    others: its error is printed, and raised when all have ended. That of a single feed
    is raised at once. `rate` is that of all feeds together.
    """

    def __init__(self, *feeds: Feed):
        self.feeds, self.rate = feeds, Rate()
        self.threads = PredictionThreads([feed.input for feed in feeds])
        self.failure: Optional[Exception] = None  # of the first feed that has failed
        self._looked = time.monotonic()

    @property
    def dropped(self) -> int:
        """The number of frames of live sources that were replaced by newer ones."""
        return sum(feed.dropped for feed in self.feeds)

    @property
    def endless(self) -> bool:
        """Whether a source does not end by itself."""
        return any(feed.source.endless for feed in self.feeds)

    @property
    def _ended(self) -> bool:
        return any(feed.controls.ended for feed in self.feeds)

    @property
    def _paused(self) -> bool:
        return any(feed.controls.paused for feed in self.feeds)

    def run(
        self,
        limit: Optional[int] = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run the loop, for at most `limit` frames of all feeds together if given.

        Once `stopped()`, it raises KeyboardInterrupt, if nothing else has raised it.
        Events that run at the end are ended, and passed to the sinks.
        """
        reason = FAILED
        try:
            self._run(limit, stopped)
            ended = self._ended or self.rate.count == limit
            reason = STOPPED if ended else END_OF_SOURCE
        except KeyboardInterrupt:
            reason = STOPPED
            raise
        finally:
            with ExitStack() as stack:  # all of them, also after one has failed
                for feed in reversed(self.feeds):
                    stack.callback(feed.end, reason)
        if self.failure and reason == END_OF_SOURCE:
            raise self.failure

    def _run(self, limit: Optional[int], stopped: Callable[[], bool]) -> None:
        # More OpenCV threads would compete with the network's: with two threads on two
        # cores, frames per second drop by 5 %.
        cv2.setNumThreads(1)
        with self.threads:
            for item in self.threads:
                if isinstance(item, Predicted):
                    self._take(item)
                elif isinstance(item, SourceEnd):
                    self._end(item)
                else:
                    self._wait()
                while self._paused and not self._ended and not stopped():
                    self._pause()
                if stopped():
                    raise KeyboardInterrupt
                if self._ended or self.rate.count == limit:
                    return

    def _take(self, predicted: Predicted) -> None:
        feed = self.feeds[predicted.number]
        if not feed.ended:  # else the result was on its way when the feed failed
            feed.take(predicted)
            self.rate.tick()
        if len(self.feeds) > 1 and time.monotonic() - self._looked > LOOK_SECONDS:
            self._look_at_feeds()

    def _end(self, end: SourceEnd) -> None:
        """End one feed."""
        feed = self.feeds[end.number]
        if len(self.feeds) == 1:
            if end.error:
                raise end.error
            return
        if end.error:
            say(f"{feed.name}: {end.error}; the others go on")
            self.failure = self.failure or end.error
        else:
            say(f"source {feed.name}: ended after {feed.rate.count} frames")
        feed.end(FAILED if end.error else END_OF_SOURCE)
        for sink in feed.sinks:
            if hasattr(sink, "end_source"):  # others learn it at the program's end
                sink.end_source()

    def _wait(self) -> None:
        """While no frame comes: process window events, notify viewers of a stall."""
        self._look_at_feeds()
        self._poll(1)

    def _look_at_feeds(self) -> None:
        self._looked = time.monotonic()
        for feed in self.feeds:
            if feed.ended:
                feed.follow_view()
            else:
                feed.note_stall()

    def _pause(self) -> None:
        """While paused: redraw the last frame when a viewer changes the view."""
        for feed in self.feeds:
            feed.follow_view()
        self._poll(50)

    def _poll(self, millis: int) -> None:
        """Process window events for `millis` milliseconds, or sleep."""
        sinks = {id(sink): sink for feed in self.feeds for sink in feed.sinks}
        windows: Sequence[Any] = [s for s in sinks.values() if hasattr(s, "poll")]
        for window in windows:
            window.poll(millis)
        if not windows:
            time.sleep(millis / 1e3)

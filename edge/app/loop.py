"""The camera loop: frames from a source through a network to sinks."""

from __future__ import annotations

import time
from collections import deque
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Optional, Protocol, Sequence

import cv2
import numpy as np

from edge.app.capture import confidence_wanted
from edge.app.threads import CaptureThreads, Predicted, Smoother
from edge.core.timing import MAX_TIMES, Rate
from edge.display.sinks import Controls, DisplayFrame
from edge.display.summaries import crossings_text
from edge.display.tasks import DRAW
from edge.events.event import END_OF_SOURCE, FAILED, STOPPED
from edge.events.text import running_text
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.results import Detections, Result
from edge.video.frames import STALL_SECONDS, Source

Crossings = dict[str, dict[str, int]]  # class -> direction -> number of objects


class Counter(Protocol):
    """What counts objects that cross a line; see edge.predict.counting.LineCounter."""

    def __call__(self, result: Any) -> None: ...

    def counts(self, info: ModelInfo) -> Crossings: ...


class CameraLoop:
    """Predicts frames until the source, a limit or a viewer ends the loop.

    `sinks` are as described in edge.display.sinks. Frames are drawn only if a sink
    wants the view. `smooth` changes each result, and `stage` is the name of its times.
    `counter` counts the objects of the results; `objects` are their numbers. `watch`
    measures zones and finds events.
    """

    def __init__(
        self,
        source: Source,
        predictor: Predictor,
        sinks: Sequence[Any],
        controls: Controls,
        smooth: Optional[Smoother] = None,
        counter: Optional[Counter] = None,
        stage: str = "steady",
        watch: Optional[Watch] = None,
    ):
        self.source, self.predictor, self.sinks = source, predictor, list(sinks)
        self.controls, self.counter, self.watch = controls, counter, watch
        self.rate, self._recent = Rate(), Rate(window=20)
        self.objects: deque[int] = deque(maxlen=MAX_TIMES)
        self.threads = CaptureThreads(source, predictor, smooth, stage)
        self.threads.wants_confidence = confidence_wanted(sinks)
        self._last: Optional[DisplayFrame] = None
        self._last_time = time.monotonic()
        self._drawn_view = controls.view

    @property
    def dropped(self) -> int:
        """The number of frames of a live source that were replaced by newer ones."""
        return self.threads.dropped

    @property
    def _draws(self) -> bool:
        return any(sink.wants_view for sink in self.sinks)

    def run(self, limit: Optional[int] = None) -> None:
        """Run the loop, for at most `limit` frames if given.

        Events that run at the end are ended, and passed to the sinks.
        """
        reason = FAILED
        try:
            self._run(limit)
            ended = self.controls.ended or self.rate.count == limit
            reason = STOPPED if ended else END_OF_SOURCE
        except KeyboardInterrupt:
            reason = STOPPED
            raise
        finally:
            self._end_events(reason)

    def _run(self, limit: Optional[int]) -> None:
        # More OpenCV threads would compete with the network's: with two threads on two
        # cores, frames per second drop by 5 %.
        cv2.setNumThreads(1)
        with self.threads:
            for predicted in self.threads:
                if predicted is None:
                    self._wait()
                else:
                    self._take(predicted)
                while self.controls.paused and not self.controls.ended:
                    self._pause()
                if self.controls.ended or self.rate.count == limit:
                    return

    def _take(self, predicted: Predicted) -> None:
        """Draw a frame and pass it to the sinks."""
        (image, seconds), result = predicted.frame, predicted.result
        millis = predicted.millis
        crossings, view = self._count(result), None
        watched = self._watch(seconds, result, millis)
        if self._draws:
            with self.predictor.stages.stage("draw"):
                text = f"{self._recent.fps:.1f} fps" if self._recent.fps else ""
                running = running_text(watched.get("running", ()), seconds)
                text = "\n".join(filter(None, (running, text)))
                view = self._draw(image, result, text, crossings)
            millis.update(self.predictor.stages.last("draw"))
        displayed = DisplayFrame(
            *(self.rate.count, seconds, image, result, view, millis),
            crossings=crossings,
            dropped=self.dropped,
            **watched,
        )
        self._last, self._last_time = displayed, time.monotonic()
        self._pass_on(displayed)
        self.rate.tick()
        self._recent.tick()

    def _count(self, result: Result) -> Optional[Crossings]:
        """Count the objects of a result; returns the crossings of the line so far."""
        if isinstance(result, Detections):
            self.objects.append(len(result))
        if not self.counter:
            return None
        self.counter(result)
        return self.counter.counts(self.predictor.info)

    def _watch(
        self, seconds: float, result: Result, millis: dict[str, float]
    ) -> dict[str, Any]:
        """Measure the zones and find events: the fields of DisplayFrame for them."""
        if not self.watch:
            return {}
        with self.predictor.stages.stage("zones"):
            self.watch(seconds, result)
        millis.update(self.predictor.stages.last("zones"))
        watch = self.watch
        return {
            "measures": watch.measures,
            "events": watch.changes,
            "running": watch.running,
        }

    def _end_events(self, reason: str) -> None:
        """End the events that run, and pass the last frame to the sinks with them."""
        changes = self.watch.end(reason) if self.watch else ()
        if changes and self._last:
            self._pass_on(replace(self._last, events=changes, running=(), redrawn=True))

    def _draw(
        self,
        frame: np.ndarray,
        result: Result,
        text: str,
        crossings: Optional[Crossings],
    ) -> np.ndarray:
        self._drawn_view = self.controls.view
        info = self.predictor.info
        text = "\n".join(filter(None, (text, crossings_text(crossings, info))))
        return DRAW[info.task](frame, result, info, text, self._drawn_view)

    def _wait(self) -> None:
        """While no frame comes: process window events, notify viewers of a stall."""
        away = time.monotonic() - self._last_time
        if self.source.live and away > STALL_SECONDS:
            self._redraw(f"waiting for {self.source.name}, {away:.0f} s")
        self._poll(1)

    def _pause(self) -> None:
        """While paused: redraw the last frame when a viewer changes the view."""
        never_drawn = self._last and self._last.view is None
        if self.controls.view is not self._drawn_view or never_drawn:
            self._redraw("")
        self._poll(50)

    def _redraw(self, text: str) -> None:
        """Draw the last frame again and pass it to the sinks."""
        if not (self._last and self._draws):
            return
        last = self._last
        view = self._draw(last.frame, last.result, text, last.crossings)
        self._last = replace(self._last, view=view, redrawn=True, events=())
        self._pass_on(self._last)

    def _pass_on(self, displayed: DisplayFrame) -> None:
        """Pass a frame to all sinks, also after one has failed; then raise its error.

        So the events of the frame in which a disk is full are told all the same.
        """
        with ExitStack() as stack:
            for sink in reversed(self.sinks):  # the stack calls the last one first
                stack.callback(sink.take, displayed)

    def _poll(self, millis: int) -> None:
        """Process window events for `millis` milliseconds, or sleep."""
        windows = [sink for sink in self.sinks if hasattr(sink, "poll")]
        for window in windows:
            window.poll(millis)
        if not windows:
            time.sleep(millis / 1e3)

"""One source of the camera loop, with all that belongs to it."""

from __future__ import annotations

import time
from collections import deque
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Optional, Protocol, Sequence

import numpy as np

from edge.app.capture import confidence_wanted
from edge.app.threads import Input, Predicted, Smoother
from edge.core.timing import MAX_TIMES, Rate
from edge.display.sinks import Controls, DisplayFrame
from edge.display.summaries import crossings_text
from edge.display.tasks import DRAW
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


class Feed:
    """Measures, draws and passes on the predicted frames of one source.

    `sinks` are as described in edge.display.sinks. Frames are drawn only if a sink
    wants the view. `smooth` changes each result, and `stage` is the name of its times.
    `counter` counts the objects of the results; `objects` are their numbers. `watch`
    measures zones and finds events. `name` is that of the source among several: the
    frames have it, and the view shows it. The `predictor` has the times of this feed's
    stages. After `end`, the source gives no more frames.
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
        name: str = "",
    ):
        self.source, self.predictor, self.sinks = source, predictor, list(sinks)
        self.controls, self.counter, self.watch = controls, counter, watch
        self.name, self.ended = name, False
        self.rate, self._recent = Rate(), Rate(window=20)
        self.objects: deque[int] = deque(maxlen=MAX_TIMES)
        wanted = confidence_wanted(sinks)
        self.input = Input(source, predictor, smooth, stage, wanted)
        self._last: Optional[DisplayFrame] = None
        self._last_time = time.monotonic()
        self._drawn_view = controls.view

    @property
    def dropped(self) -> int:
        """The number of frames of a live source that were replaced by newer ones."""
        return self.input.dropped

    @property
    def age(self) -> Optional[float]:
        """Seconds since the last frame; None before the first."""
        return time.monotonic() - self._last_time if self._last else None

    @property
    def _draws(self) -> bool:
        return any(sink.wants_view for sink in self.sinks)

    def take(self, predicted: Predicted) -> None:
        """Draw a frame and pass it to the sinks."""
        (image, seconds), result = predicted.frame, predicted.result
        millis = predicted.millis
        crossings, view = self._count(result), None
        watched = self._watch(seconds, result, millis)
        if self._draws:
            with self.predictor.stages.stage("draw"):
                fps = f"{self._recent.fps:.1f} fps" if self._recent.fps else ""
                text = " ".join(filter(None, (self.name, fps)))
                running = running_text(watched.get("running", ()), seconds)
                text = "\n".join(filter(None, (running, text)))
                view = self._draw(image, result, text, crossings)
            millis.update(self.predictor.stages.last("draw"))
        displayed = DisplayFrame(
            *(self.rate.count, seconds, image, result, view, millis),
            crossings=crossings,
            dropped=self.dropped,
            source=self.name,
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

    def end(self, reason: str) -> None:
        """End the events that run, and pass the last frame to the sinks with them."""
        self.ended = self.controls.finished = True
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

    def note_stall(self) -> None:
        """Notify viewers if no frame comes."""
        away = time.monotonic() - self._last_time
        if self.source.live and away > STALL_SECONDS:
            self._redraw(f"waiting for {self.source.label}, {away:.0f} s")

    def follow_view(self) -> None:
        """Without new frames: draw the last one again if a viewer changed the view."""
        never_drawn = self._last and self._last.view is None
        if self.controls.view is not self._drawn_view or never_drawn:
            self._redraw("")

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

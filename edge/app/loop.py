"""The loop: frames of a source through a network into sinks."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Optional, Sequence

import cv2
import numpy as np

from edge.app.threads import CaptureThreads, Predicted, Smoother
from edge.core.timing import Rate
from edge.display.sinks import Controls, DisplayFrame
from edge.display.tasks import DRAW
from edge.predict.base import Predictor
from edge.predict.results import Result
from edge.video.frames import PATIENCE, Source


class CameraLoop:
    """Predicts frame after frame until the source, a limit or a viewer ends it.

    `sinks` take them as edge.display.sinks says. Frames are drawn only where a sink
    looks.
    """

    def __init__(
        self,
        source: Source,
        predictor: Predictor,
        sinks: Sequence[Any],
        controls: Controls,
        smooth: Optional[Smoother] = None,
    ):
        self.source, self.predictor, self.sinks = source, predictor, sinks
        self.controls = controls
        self.rate, self._recent = Rate(), Rate(window=20)
        self.pipeline = CaptureThreads(source, predictor, smooth)
        self._last: Optional[DisplayFrame] = None
        self._came = time.monotonic()
        self._drawn_as = controls.view

    @property
    def dropped(self) -> int:
        """How many frames of a live source were replaced by newer ones."""
        return self.pipeline.dropped

    @property
    def _draws(self) -> bool:
        return any(sink.wants_view for sink in self.sinks)

    def run(self, limit: Optional[int] = None) -> None:
        """Ends after `limit` frames, where there is one."""
        # More threads of OpenCV's would only push the network's aside: on two cores
        # two of them cost a twentieth of the frames per second.
        cv2.setNumThreads(1)
        with self.pipeline:
            for predicted in self.pipeline:
                if predicted is None:
                    self._wait()
                else:
                    self._take(predicted)
                while self.controls.paused and not self.controls.ended:
                    self._pause()
                if self.controls.ended or self.rate.count == limit:
                    return

    def _take(self, predicted: Predicted) -> None:
        """Draws a frame and hands it to the sinks."""
        (frame, seconds), result = predicted.frame, predicted.result
        millis = predicted.millis
        view = None
        if self._draws:
            with self.predictor.stages.stage("draw"):
                text = f"{self._recent.fps:.1f} fps" if self._recent.fps else ""
                view = self._drawn(frame, result, text)
            millis.update(self.predictor.stages.last("draw"))
        seen = DisplayFrame(self.rate.count, seconds, frame, result, view, millis)
        for sink in self.sinks:
            sink.take(seen)
        self.rate.tick()
        self._recent.tick()
        self._last, self._came = seen, time.monotonic()

    def _drawn(self, frame: np.ndarray, result: Result, text: str) -> np.ndarray:
        self._drawn_as = self.controls.view
        info = self.predictor.info
        return DRAW[info.task](frame, result, info, text, self._drawn_as)

    def _wait(self) -> None:
        """Nothing came for a moment: windows go on; after a while viewers are told."""
        away = time.monotonic() - self._came
        if self.source.live and away > PATIENCE:
            self._again(f"waiting for {self.source.name}, {away:.0f} s")
        self._poll(1)

    def _pause(self) -> None:
        """Lets viewers change what they see of the last frame."""
        never_drawn = self._last and self._last.view is None
        if self.controls.view is not self._drawn_as or never_drawn:
            self._again("")
        self._poll(50)

    def _again(self, text: str) -> None:
        """Shows the last frame once more, drawn anew."""
        if not (self._last and self._draws):
            return
        view = self._drawn(self._last.frame, self._last.result, text)
        self._last = replace(self._last, view=view, again=True)
        for sink in self.sinks:
            sink.take(self._last)

    def _poll(self, millis: int) -> None:
        """Lets windows work, or waits as long."""
        windows = [sink for sink in self.sinks if hasattr(sink, "poll")]
        for window in windows:
            window.poll(millis)
        if not windows:
            time.sleep(millis / 1e3)

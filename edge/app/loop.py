"""The loop: frames of a source through a network into sinks."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Optional, Sequence

import cv2
import numpy as np

from edge.app.threads import CaptureThreads, Result
from edge.core.timing import Rate
from edge.display.draw import draw
from edge.display.sinks import Controls, DisplayFrame
from edge.predict.semantic import Segmenter
from edge.predict.smoothing import VoteSmoother
from edge.video.frames import PATIENCE, Source


class CameraLoop:
    """Segments frame after frame until the source, a limit or a viewer ends it.

    `sinks` take them as edge.display.sinks says. Frames are drawn only where a sink
    looks.
    """

    def __init__(
        self,
        source: Source,
        segmenter: Segmenter,
        sinks: Sequence[Any],
        controls: Controls,
        steady: Optional[VoteSmoother] = None,
    ):
        self.source, self.segmenter, self.sinks = source, segmenter, sinks
        self.controls = controls
        self.rate, self._recent = Rate(), Rate(window=20)
        self.pipeline = CaptureThreads(source, segmenter, steady)
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
            for result in self.pipeline:
                if result is None:
                    self._wait()
                else:
                    self._take(result)
                while self.controls.paused and not self.controls.ended:
                    self._pause()
                if self.controls.ended or self.rate.count == limit:
                    return

    def _take(self, result: Result) -> None:
        """Draws a frame and hands it to the sinks."""
        (frame, seconds), labels, millis = result.shot, result.labels, result.millis
        view = None
        if self._draws:
            with self.segmenter.stages.stage("draw"):
                text = f"{self._recent.fps:.1f} fps" if self._recent.fps else ""
                view = self._drawn(frame, labels, text)
            millis.update(self.segmenter.stages.last("draw"))
        seen = DisplayFrame(self.rate.count, seconds, frame, labels, view, millis)
        for sink in self.sinks:
            sink.take(seen)
        self.rate.tick()
        self._recent.tick()
        self._last, self._came = seen, time.monotonic()

    def _drawn(self, frame: np.ndarray, labels: np.ndarray, text: str) -> np.ndarray:
        self._drawn_as = self.controls.view
        return draw(frame, labels, self.segmenter.info, text, self._drawn_as)

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
        view = self._drawn(self._last.frame, self._last.labels, text)
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

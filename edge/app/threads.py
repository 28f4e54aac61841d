"""Capture and network, each in a thread, so that they and the drawing overlap.

    source --shots--> [network] --results--> CaptureThreads.__iter__

Between them are places for one: a live source replaces what lies there, so that the
network always gets the newest frame; all others wait, so that nothing is lost.
OpenCV, NumPy and the interpreters release Python's lock while they work.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Optional

from edge.predict.base import Predictor
from edge.predict.results import Result
from edge.video.frames import HANGS, Frame, Source

Smoother = Callable[[Any], Any]  # one result after the other -> what to show
TICK = 0.1  # seconds after which one who waits for a result is told that there is none


class Ended(Exception):
    """Nothing more will come."""


class Channel:
    """A place for one thing, between two threads."""

    def __init__(self):
        self._changed = threading.Condition()
        self._items: list[Any] = []
        self._end: Optional[BaseException] = None

    def put(self, item: Any) -> bool:
        """Waits until the place is free. False where nobody wants more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._items or self._end)
            if not self._end:
                self._items.append(item)
                self._changed.notify_all()
            return not self._end

    def replace(self, item: Any) -> bool:
        """Takes the place at once. Whether something there was thrown away."""
        with self._changed:
            thrown = bool(self._items)
            self._items[:] = [item]
            self._changed.notify_all()
            return thrown

    def get(self, timeout: Optional[float] = None) -> Any:
        """What lies there; None after `timeout` seconds without.

        Raises what `end` was given, once the place is empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._end, timeout)
            if self._items:
                self._changed.notify_all()
                return self._items.pop()
            if self._end:
                raise self._end
            return None

    @property
    def ended(self) -> bool:
        return self._end is not None

    def end(self, reason: BaseException) -> None:
        """No more is put; the first reason counts."""
        with self._changed:
            self._end = self._end or reason
            self._changed.notify_all()


@dataclass
class Predicted:
    """A frame, its result and how many milliseconds each stage took."""

    frame: Frame
    result: Result
    millis: dict[str, float]


class CaptureThreads:
    """Iterate it for a Predicted of each frame, in order; None where one takes long.

    What stops a thread (a damaged picture, say) is raised here.
    """

    def __init__(
        self,
        source: Source,
        predictor: Predictor,
        smooth: Optional[Smoother] = None,
    ):
        self.source, self.predictor, self.smooth = source, predictor, smooth
        self.dropped = 0
        self._shots, self._results = Channel(), Channel()
        self._threads = [
            threading.Thread(target=self._watched, args=work, daemon=True)
            for work in ((self._capture, self._shots), (self._segment, self._results))
        ]

    def __enter__(self) -> CaptureThreads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        for slot in (self._shots, self._results):
            slot.end(Ended())
        for thread in self._threads:
            thread.join(HANGS)  # one that hangs in a driver ends with the process

    def __iter__(self) -> Iterator[Optional[Predicted]]:
        while True:
            try:
                yield self._results.get(TICK)
            except Ended:
                return

    @staticmethod
    def _watched(work: Any, slot: Channel) -> None:
        try:
            work()
            slot.end(Ended())
        except BaseException as error:
            slot.end(error)

    def _capture(self) -> None:
        stages = self.predictor.stages
        shots = iter(self.source.shots)
        while not self._shots.ended:  # live sources go on for ever
            with stages.stage("capture"):
                shot = next(shots, None)
            if shot is None:
                stages.forget("capture")  # the wait that found the end
                return
            item = shot, stages.last("capture")
            if self.source.live:
                self.dropped += self._shots.replace(item)
            elif not self._shots.put(item):
                return

    def _segment(self) -> None:
        stages = self.predictor.stages
        while True:
            shot, millis = self._shots.get()
            result = self.predictor.predict(shot.frame, order="BGR")
            if self.smooth:
                with stages.stage("steady"):
                    result = self.smooth(result)
            millis.update(stages.last("preprocess", "inference", "postprocess"))
            if not self._results.put(Predicted(shot, result, millis)):
                return

"""Capture and inference in two threads, in parallel with drawing.

    source --frames--> [network] --results--> CaptureThreads.__iter__

The channels between them hold one item: a live source replaces it, so that the network
always gets the newest frame; other sources wait, so that no frame is lost. OpenCV,
NumPy and the interpreters release the GIL while they work. Frames of a file may be
predicted several at a time, see edge.app.parallel; their results stay in order.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Iterator, Optional

from edge.app.parallel import predictors_for
from edge.predict.base import Predictor
from edge.predict.results import Result
from edge.video.frames import HANG_SECONDS, Frame, Source

Smoother = Callable[[Any], Any]  # result -> smoothed result
POLL_SECONDS = 0.1  # after which waiting for a result yields None


class EndOfFrames(Exception):
    """There are no more frames."""


class Channel:
    """Passes one item at a time between two threads."""

    def __init__(self):
        self._changed = threading.Condition()
        self._items: list[Any] = []
        self._end: Optional[BaseException] = None

    def put(self, item: Any) -> bool:
        """Put an item once the channel is empty. False if the channel has ended."""
        with self._changed:
            self._changed.wait_for(lambda: not self._items or self._end)
            if not self._end:
                self._items.append(item)
                self._changed.notify_all()
            return not self._end

    def replace(self, item: Any) -> bool:
        """Put an item at once. Returns whether it replaced another one."""
        with self._changed:
            replaced = bool(self._items)
            self._items[:] = [item]
            self._changed.notify_all()
            return replaced

    def get(self, timeout: Optional[float] = None) -> Any:
        """Take the item; None after `timeout` seconds without one.

        Raises the reason of `end` once the channel is empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._end, timeout)
            if self._items:
                self._changed.notify_all()
                return self._items.pop()
            if self._end:
                raise self._end
            return None

    def get_or_reason(self) -> Any:
        """Take the item, or the reason of `end` once the channel is empty."""
        try:
            return self.get()
        except BaseException as reason:
            return reason

    @property
    def ended(self) -> bool:
        return self._end is not None

    def end(self, reason: BaseException) -> None:
        """End the channel; the first reason is kept."""
        with self._changed:
            self._end = self._end or reason
            self._changed.notify_all()


@dataclass
class Predicted:
    """A frame, its result and the milliseconds of each stage."""

    frame: Frame
    result: Result
    millis: dict[str, float]


class CaptureThreads:
    """Yields a Predicted for each frame, in order, and None while waiting for one.

    `smooth` changes each result; `stage` is the name of its times.
    Errors of the threads, such as for a damaged image, are raised here.
    """

    def __init__(
        self,
        source: Source,
        predictor: Predictor,
        smooth: Optional[Smoother] = None,
        stage: str = "steady",
    ):
        self.source, self.predictor, self.smooth = source, predictor, smooth
        self.stage = stage
        # Whether the result of the frame at this time needs its confidence.
        self.wants_confidence: Callable[[float], bool] = lambda seconds: False
        self.dropped = 0
        self._frames, self._results = Channel(), Channel()
        self._taking, self._turns = threading.Lock(), threading.Condition()
        self._taken = self._passed = 0  # numbers of frames
        works = [partial(self._run_stage, self._capture, self._frames)]
        for each in predictors_for(predictor, source):
            work = partial(self._segment, each)
            works.append(partial(self._run_stage, work, self._results))
        self._threads = [threading.Thread(target=w, daemon=True) for w in works]

    def __enter__(self) -> CaptureThreads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        for channel in (self._frames, self._results):
            channel.end(EndOfFrames())
        for thread in self._threads:
            thread.join(HANG_SECONDS)  # a thread that hangs ends with the process

    def __iter__(self) -> Iterator[Optional[Predicted]]:
        while True:
            try:
                yield self._results.get(POLL_SECONDS)
            except EndOfFrames:
                return

    @staticmethod
    def _run_stage(work: Any, channel: Channel) -> None:
        try:
            work()
            channel.end(EndOfFrames())
        except BaseException as error:
            channel.end(error)

    def _capture(self) -> None:
        stages = self.predictor.stages
        frames = iter(self.source.frames)
        while not self._frames.ended:  # live sources do not end
            with stages.stage("capture"):
                frame = next(frames, None)
            if frame is None:
                stages.discard_last("capture")  # the wait for the end
                return
            item = frame, stages.last("capture")
            if self.source.live:
                self.dropped += self._frames.replace(item)
            elif not self._frames.put(item):
                return

    def _segment(self, predictor: Predictor) -> None:
        while True:
            with self._taking:  # the number is that of the frame
                number, self._taken = self._taken, self._taken + 1
                item = self._frames.get_or_reason()
                if not isinstance(item, BaseException):
                    wanted = self.wants_confidence(item[0].seconds)
            try:
                if isinstance(item, BaseException):
                    raise item
                frame, millis = item
                result = predictor.predict(frame.image, "BGR", confidence=wanted)
            except BaseException as error:
                with self._turn(number):  # after the frames before, and none after it
                    self._results.end(error)
                    raise
            times = predictor.stages.last("preprocess", "inference", "postprocess")
            with self._turn(number):
                if not self._pass_on(Predicted(frame, result, {**millis, **times})):
                    return
                if predictor is not self.predictor:
                    self.predictor.stages.record(times)

    @contextmanager
    def _turn(self, number: int) -> Iterator[None]:
        """Wait until the results of all frames before this one are passed on."""
        with self._turns:
            while self._passed < number and not self._results.ended:
                self._turns.wait(POLL_SECONDS)
        try:
            yield
        finally:
            with self._turns:
                self._passed = number + 1
                self._turns.notify_all()

    def _pass_on(self, predicted: Predicted) -> bool:
        """Smooth a result and pass it on. False if nobody takes it any more."""
        if self.smooth:
            stages = self.predictor.stages
            with stages.stage(self.stage):
                predicted.result = self.smooth(predicted.result)
            predicted.millis.update(stages.last(self.stage))
        return self._results.put(predicted)

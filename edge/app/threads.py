"""Capture and inference in threads, in parallel with drawing.

    sources --frames--> [network] --results--> PredictionThreads.__iter__

Each source has a thread that reads it. One network takes their frames in fair turns,
see edge.app.turns. There is room for one frame of each source, and for one result: a
live source replaces its frame, so that the network always gets the newest one; other
sources wait, so that no frame is lost. OpenCV, NumPy and the interpreters release the
GIL while they work. Frames of files may be predicted several at a time, see
edge.app.parallel; their results stay in order.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Iterator, Optional, Sequence, Union

from edge.app.parallel import predictors_together
from edge.app.turns import Turn, Turns
from edge.core.errors import InputError
from edge.predict.base import Predictor
from edge.predict.results import Result
from edge.video.frames import HANG_SECONDS, Frame, Source

Smoother = Callable[[Any], Any]  # result -> smoothed result
POLL_SECONDS = 0.1  # after which waiting for a result yields None


class EndOfFrames(Exception):
    """There are no more frames."""


ENDS_INPUT = (EndOfFrames, InputError, OSError)


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

    @property
    def ended(self) -> bool:
        return self._end is not None

    def end(self, reason: BaseException) -> None:
        """End the channel; the first reason is kept."""
        with self._changed:
            self._end = self._end or reason
            self._changed.notify_all()


@dataclass
class Input:
    """A source, and what is done with its frames.

    `predictor` has the times of its stages; those of several sources may share an
    engine. `smooth` changes each result; `stage` is the name of its times.
    `wants_confidence(seconds)` tells whether the result of the frame at this time needs
    its confidence. `dropped` is how many frames newer ones have replaced.
    """

    source: Source
    predictor: Predictor
    smooth: Optional[Smoother] = None
    stage: str = "steady"
    wants_confidence: Callable[[float], bool] = lambda seconds: False
    dropped: int = 0


@dataclass
class Predicted:
    """A frame, its result and the milliseconds of each stage.

    `number` is that of the input.
    """

    frame: Frame
    result: Result
    millis: dict[str, float]
    number: int = 0


@dataclass(frozen=True)
class SourceEnd:
    """The end of the input `number`, after its last frame; `error` has ended it."""

    number: int
    error: Optional[Exception] = None


class PredictionThreads:
    """Yields a Predicted for each frame, and None while waiting for one.

    Those of an input come in the order of its frames, then its SourceEnd. An InputError
    or OSError of a frame or source, such as for a damaged image, ends this input alone;
    other errors of the threads are raised here.
    """

    def __init__(self, inputs: Sequence[Input]):
        self.inputs = list(inputs)
        self._frames, self._results = Turns(len(self.inputs)), Channel()
        self._taking, self._turns = threading.Lock(), threading.Condition()
        self._taken = self._passed = 0  # numbers of frames
        works = [partial(self._capture, number) for number in range(len(self.inputs))]
        together = predictors_together([(i.predictor, i.source) for i in self.inputs])
        works += [partial(self._segment, predictors) for predictors in together]
        self._threads = [threading.Thread(target=w, daemon=True) for w in works]

    def __enter__(self) -> PredictionThreads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._frames.end_all(EndOfFrames())
        self._results.end(EndOfFrames())
        end = time.monotonic() + HANG_SECONDS
        for thread in self._threads:  # one that hangs ends with the process
            thread.join(max(0.0, end - time.monotonic()))

    def __iter__(self) -> Iterator[Union[Predicted, SourceEnd, None]]:
        while True:
            try:
                yield self._results.get(POLL_SECONDS)
            except EndOfFrames:
                return

    def _capture(self, number: int) -> None:
        """The work of the thread of an input."""
        try:
            self._read(number)
            self._frames.end(number, EndOfFrames())
        except BaseException as error:
            self._frames.end(number, error)

    def _read(self, number: int) -> None:
        given = self.inputs[number]
        stages, frames = given.predictor.stages, iter(given.source.frames)
        while not self._frames.ended(number):  # live sources do not end
            with stages.stage("capture"):
                frame = next(frames, None)
            if frame is None:
                stages.discard_last("capture")  # the wait for the end
                return
            item = frame, stages.last("capture")
            if given.source.live:
                given.dropped += self._frames.replace(number, item)
            elif not self._frames.put(number, item):
                return

    def _segment(self, predictors: Sequence[Predictor]) -> None:
        """The work of a thread of the network; there is a predictor of each input."""
        try:
            while self._take_turn(predictors):
                pass
        except BaseException as error:
            self._results.end(error)

    def _take_turn(self, predictors: Sequence[Predictor]) -> bool:
        """Predict the next frame and pass it on. False at the end."""
        with self._taking:  # the order is that of the frames
            order, self._taken = self._taken, self._taken + 1
            turn = self._frames.take()
            wanted = self._wants_confidence(turn)
        if turn is None:
            with self._turn(order):
                self._results.end(EndOfFrames())
            return False
        try:
            predictor = predictors[turn.number]
            predicted = self._predict(turn, predictor, wanted)
        except ENDS_INPUT as error:
            self._frames.drop(turn.number, error)
            known = None if isinstance(error, EndOfFrames) else error
            with self._turn(order):
                return self._results.put(SourceEnd(turn.number, known))
        except BaseException as error:
            with self._turn(order):  # after the frames before, and none after it
                self._results.end(error)
            raise
        times = predictor.stages.last("preprocess", "inference", "postprocess")
        predicted.millis.update(times)
        with self._turn(order):
            if not self._pass_on(predicted):
                return False
            own = self.inputs[turn.number].predictor
            if predictor is not own:
                own.stages.record(times)
        return True

    def _wants_confidence(self, turn: Optional[Turn]) -> bool:
        if turn is None or isinstance(turn.item, BaseException):
            return False
        return self.inputs[turn.number].wants_confidence(turn.item[0].seconds)

    @staticmethod
    def _predict(turn: Turn, predictor: Predictor, wanted: bool) -> Predicted:
        """The result of a turn's frame. Raises what has ended the input."""
        if isinstance(turn.item, BaseException):
            raise turn.item
        frame, millis = turn.item
        result = predictor.predict(frame.image, "BGR", confidence=wanted)
        return Predicted(frame, result, dict(millis), turn.number)

    @contextmanager
    def _turn(self, order: int) -> Iterator[None]:
        """Wait until the results of all frames before this one are passed on."""
        with self._turns:
            while self._passed < order and not self._results.ended:
                self._turns.wait(POLL_SECONDS)
        try:
            yield
        finally:
            with self._turns:
                self._passed = order + 1
                self._turns.notify_all()

    def _pass_on(self, predicted: Predicted) -> bool:
        """Smooth a result and pass it on. False if nobody takes it any more."""
        given = self.inputs[predicted.number]
        if given.smooth:
            stages = given.predictor.stages
            with stages.stage(given.stage):
                predicted.result = given.smooth(predicted.result)
            predicted.millis.update(stages.last(given.stage))
        return self._results.put(predicted)


class CaptureThreads(PredictionThreads):
    """The same for one source, whose errors are raised here."""

    def __init__(
        self,
        source: Source,
        predictor: Predictor,
        smooth: Optional[Smoother] = None,
        stage: str = "steady",
    ):
        super().__init__([Input(source, predictor, smooth, stage)])
        self.predictor = predictor

    @property
    def dropped(self) -> int:
        """The number of frames of a live source that newer ones have replaced."""
        return self.inputs[0].dropped

    def __enter__(self) -> CaptureThreads:
        super().__enter__()
        return self

    def __iter__(self) -> Iterator[Optional[Predicted]]:
        for item in super().__iter__():
            if not isinstance(item, SourceEnd):
                yield item
            elif item.error:
                raise item.error

"""Capture and inference threads: what waits, what is dropped, how they end.

The networks here are thresholds of brightness that take as long as a test says.
"""

import threading
import time

import numpy as np
import pytest

from edge.app.threads import CaptureThreads, Channel, EndOfFrames
from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from edge.predict.smoothing import VoteSmoother
from edge.video.frames import Frame, Source
from tests.support.engines import ArrayEngine

INFO = ModelInfo(class_names=("dark", "bright"), colors=((0, 0, 0), (255, 255, 255)))


class Threshold(ArrayEngine):
    """An engine that labels bright pixels, in `seconds`."""

    def __init__(self, seconds: float = 0.0):
        super().__init__((4, 6))
        self.seconds = seconds

    def labels(self, image: np.ndarray) -> np.ndarray:
        time.sleep(self.seconds)
        return (image[..., 0] > 127).astype(np.uint8)


def predictor(seconds: float = 0.0) -> SemanticPredictor:
    return SemanticPredictor(Threshold(seconds), INFO)


def make_frames(count: int, every: float = 0.0):
    """Frames with their number as brightness, and their capture time."""
    for index in range(count):
        time.sleep(every)
        yield Frame(np.full((4, 6, 3), index, np.uint8), time.monotonic())


def results_of(pipeline: CaptureThreads) -> list:
    with pipeline:
        return [result for result in pipeline if result is not None]


def numbers(results: list) -> list[int]:
    return [int(result.frame.image[0, 0, 0]) for result in results]


def test_results_belong_to_their_frames():
    results = results_of(
        CaptureThreads(Source(make_frames(256), "numbers"), predictor())
    )
    assert numbers(results) == list(range(256))
    for result in results:
        assert (result.result.labels == (result.frame.image[..., 0] > 127)).all()
        assert set(result.millis) == {
            *("capture", "preprocess", "inference", "postprocess")
        }


def test_a_file_waits_for_a_slow_network():
    pipeline = CaptureThreads(Source(make_frames(20), "file"), predictor(0.01))
    assert numbers(results_of(pipeline)) == list(range(20))
    assert pipeline.dropped == 0


@pytest.mark.serial
def test_the_network_gets_the_newest_frame_of_a_live_source():
    """A frame waits at most until the next one is captured."""
    every, network = 0.05, 0.2
    source = Source(make_frames(40, every), "camera", live=True)
    pipeline, waits, seen = CaptureThreads(source, predictor(network)), [], []
    with pipeline:
        for result in pipeline:
            if result:
                waits.append(time.monotonic() - result.frame.seconds - network)
                seen.append(result)
    assert (
        np.median(waits) <= 1.5 * every
    )  # one interval, and some time for the threads
    shown = numbers(seen)
    assert shown == sorted(shown)
    assert 3 <= len(shown) <= 12
    # All frames were shown or counted as dropped, except those still in the channels.
    assert 38 <= len(shown) + pipeline.dropped <= 40


@pytest.mark.serial
def test_capture_network_and_viewer_overlap():
    """Three stages of 30 ms take 30 ms per frame, not 90."""
    begin = time.monotonic()
    with CaptureThreads(
        Source(make_frames(20, 0.03), "file"), predictor(0.03)
    ) as pipeline:
        for result in pipeline:
            time.sleep(0.03 if result else 0)
    assert time.monotonic() - begin < 20 * 0.06


def test_labels_are_smoothed():
    """One bright frame among dark ones does not appear."""
    lights = [Frame(np.full((4, 6, 3), v, np.uint8), 0.0) for v in (0, 0, 255, 0, 0)]
    pipeline = CaptureThreads(
        Source(iter(lights), "flash"), predictor(), VoteSmoother(3)
    )
    results = results_of(pipeline)
    assert [int(result.result.labels.max()) for result in results] == [0] * 5
    assert "steady" in pipeline.predictor.stages.summary()


@pytest.mark.parametrize("live", [False, True])
def test_errors_of_the_source_are_raised(live):
    def damaged():
        yield from make_frames(1)
        raise InputError("image 2 is damaged")

    with pytest.raises(InputError, match="image 2"):
        results_of(CaptureThreads(Source(damaged(), "folder", live=live), predictor()))


def test_errors_of_the_network_are_raised():
    class Stops(Threshold):
        def __call__(self, image):
            raise InputError("the interpreter stops")

    pipeline = CaptureThreads(
        Source(make_frames(1000), "file"), SemanticPredictor(Stops(), INFO)
    )
    with pytest.raises(InputError, match="interpreter"):
        results_of(pipeline)
    assert not any(thread.is_alive() for thread in pipeline._threads)


def test_waiting_yields_none_and_a_hanging_read_does_not_block():
    def hangs():
        yield from make_frames(1)
        threading.Event().wait()

    begin = time.monotonic()
    with CaptureThreads(Source(hangs(), "camera", live=True), predictor()) as pipeline:
        results = iter(pipeline)
        while next(results) is None:
            pass
        assert next(results) is None
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("live", [False, True])
def test_exiting_early_ends_the_threads(live):
    source = Source(make_frames(1000, 0.01), "numbers", live=live)
    with CaptureThreads(source, predictor(0.001)) as pipeline:
        assert next(iter(pipeline)) is not None
    assert not any(thread.is_alive() for thread in pipeline._threads)


def test_an_ended_channel_still_gives_its_item():
    channel = Channel()
    assert channel.put(1)
    channel.end(EndOfFrames())
    channel.end(ValueError())  # the first reason is kept
    assert not channel.put(2)
    assert channel.get() == 1
    with pytest.raises(EndOfFrames):
        channel.get()


def test_a_channel_replaces_its_item():
    channel = Channel()
    assert channel.get(timeout=0) is None
    assert [channel.replace(item) for item in "abc"] == [False, True, True]
    assert channel.get() == "c"

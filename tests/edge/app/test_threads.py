"""Capture and inference threads: what waits, what is dropped, how they end.

The networks here are thresholds of brightness that take as long as a test says.
"""

import threading
import time

import numpy as np
import pytest

from edge.app.threads import (
    CaptureThreads,
    Channel,
    EndOfFrames,
    Input,
    PredictionThreads,
    SourceEnd,
)
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


def several(*sources: Source, seconds: float = 0.0) -> PredictionThreads:
    """The threads of several sources with one network."""
    engine = Threshold(seconds)
    return PredictionThreads(
        [Input(source, SemanticPredictor(engine, INFO)) for source in sources]
    )


def test_frames_of_several_sources_keep_their_order_and_their_ends():
    threads = several(Source(make_frames(30), "a"), Source(make_frames(5), "b"))
    seen = results_of(threads)
    for number, count in enumerate((30, 5)):
        own = [item for item in seen if item.number == number]
        assert numbers(own[:-1]) == list(range(count))
        assert own[-1] == SourceEnd(number)


@pytest.mark.serial  # it counts what happens in a second
def test_a_fast_file_does_not_starve_a_slow_camera_nor_wait_for_it():
    """The network takes 20 ms; a camera gives a frame every 0.1 s, a file always."""
    camera = Source(make_frames(10, 0.1), "camera", live=True)
    threads, seen = several(Source(make_frames(256), "file"), camera, seconds=0.02), []
    with threads:
        for item in threads:
            if isinstance(item, SourceEnd):
                break
            seen += [item] if item else []
    assert threads.inputs[1].dropped <= 1  # a frame waits for one of the file at most
    cameras = [item for item in seen if item.number == 1]
    assert len(cameras) >= 9
    assert len(seen) - len(cameras) >= 20  # in one second there is time for 50


def test_two_files_have_equally_many_turns():
    threads = several(*(Source(make_frames(100), x) for x in "ab"), seconds=0.002)
    seen = [item.number for item in results_of(threads)[:100]]
    assert 40 <= seen.count(0) <= 60


def test_an_error_of_one_source_ends_it_alone():
    def damaged():
        yield from make_frames(2)
        raise InputError("image 3 is damaged")

    small = Frame(np.zeros((4, 6, 3), np.uint8), 0.0)._replace(image=np.zeros(3))
    sources = Source(damaged(), "a"), Source(iter([small]), "b")
    seen = results_of(several(*sources, Source(make_frames(9), "c")))
    ends = {item.number: item.error for item in seen if isinstance(item, SourceEnd)}
    assert str(ends[0]) == "image 3 is damaged"
    assert isinstance(ends[1], InputError) and ends[2] is None
    whole = [item for item in seen if not isinstance(item, SourceEnd)]
    assert [item.number for item in whole if item.number != 2] == [0, 0]
    assert numbers([item for item in whole if item.number == 2]) == list(range(9))


def test_a_mistake_of_the_program_in_one_source_is_raised():
    def wrong():
        yield from make_frames(1)
        raise ZeroDivisionError

    threads = several(Source(make_frames(1000), "a"), Source(wrong(), "b"))
    with pytest.raises(ZeroDivisionError):
        results_of(threads)


def test_an_ended_channel_still_gives_its_item():
    channel = Channel()
    assert channel.put(1)
    channel.end(EndOfFrames())
    channel.end(ValueError())  # the first reason is kept
    assert not channel.put(2)
    assert channel.get() == 1
    with pytest.raises(EndOfFrames):
        channel.get()

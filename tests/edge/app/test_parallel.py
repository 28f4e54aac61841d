"""Several frames at a time: the same results in the same order, and when it is done."""

import time

import numpy as np
import pytest

from edge.app.parallel import can_be_copied, measured, predictors_for
from edge.app.threads import CaptureThreads
from edge.core.errors import InputError
from edge.engines.select import open_engine
from edge.predict.semantic import SemanticPredictor
from edge.predict.smoothing import VoteSmoother
from edge.video.frames import Frame, Source
from tests.support.tflite import CHANNELS, write_largest_channel

SIZE = (32, 48)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_largest_channel(tmp_path_factory.mktemp("model"), SIZE)


def predictor_with(path, threads: int) -> SemanticPredictor:
    return SemanticPredictor(open_engine(path, "cpu", threads, trial=False), CHANNELS)


@pytest.fixture
def predictor(path, monkeypatch) -> SemanticPredictor:
    """A predictor on three threads, whose network is faster on one thread each."""
    monkeypatch.setattr("edge.app.parallel.measured", lambda *engines: (1.0, 0.5))
    return predictor_with(path, 3)


def make_frames(count: int):
    for index in range(count):
        image = np.random.RandomState(index).randint(0, 256, (24, 40, 3), np.uint8)
        image[0, 0] = index
        yield Frame(image, index / 25)


def results_of(threads: CaptureThreads) -> list:
    with threads:
        return [each for each in threads if each is not None]


@pytest.mark.parametrize("smooth", [None, VoteSmoother])
def test_results_and_their_order_are_those_of_one_interpreter(
    path, predictor, smooth, caplog
):
    caplog.set_level("INFO")
    found = {}
    for name, each in (("one", predictor_with(path, 1)), ("three", predictor)):
        smoother = smooth and smooth(3)
        source = Source(make_frames(60), "numbers")
        found[name] = results_of(CaptureThreads(source, each, smoother))
    assert len(found["one"]) == len(found["three"]) == 60
    for one, three in zip(found["one"], found["three"], strict=True):
        assert one.frame.seconds == three.frame.seconds
        assert set(one.millis) == set(three.millis)
        np.testing.assert_array_equal(one.result.labels, three.result.labels)
    assert caplog.messages == [
        "3 frames at a time, on one thread each: 500.0 ms a frame instead of 1000.0"
    ]
    # The times of all are those of the given predictor.
    assert len(predictor.stages.millis["inference"]) == 60


def test_the_copies_are_made_once(predictor):
    source = Source(make_frames(1), "numbers")
    first, second = (predictors_for(predictor, source) for _ in range(2))
    assert [each.engine for each in first] == [each.engine for each in second]
    assert [each.engine.threads for each in first] == [1, 1, 1]
    assert predictor.engine.threads == 3


def test_an_error_comes_after_the_frames_before_it(predictor):
    def damaged():
        yield from make_frames(20)
        raise InputError("image 21 is damaged")

    threads = CaptureThreads(Source(damaged(), "folder"), predictor)
    seen = []
    with threads, pytest.raises(InputError, match="image 21"):
        for each in threads:
            if each is not None:
                seen.append(each.frame.seconds)
    assert seen == [index / 25 for index in range(20)]


def test_no_frame_comes_after_an_error_of_the_network(predictor, monkeypatch):
    real = SemanticPredictor.predict

    def predict(self, image, *options, **more):
        if image[0, 0, 0] == 3:
            time.sleep(0.01)  # those after it are done and wait
            raise InputError("frame 3 is damaged")
        return real(self, image, *options, **more)

    monkeypatch.setattr(SemanticPredictor, "predict", predict)
    for _ in range(5):
        threads, seen = CaptureThreads(Source(make_frames(9), ""), predictor), []
        with threads, pytest.raises(InputError, match="frame 3"):
            for each in threads:
                seen += [each.frame.image[0, 0, 0]] if each else []
        assert seen == [0, 1, 2]


def test_leaving_early_ends_all_threads(predictor):
    with CaptureThreads(Source(make_frames(1000), "numbers"), predictor) as threads:
        assert next(iter(threads)) is not None
        assert len(threads._threads) == 1 + 3
    assert not any(thread.is_alive() for thread in threads._threads)


@pytest.mark.parametrize("kind", ["live", "still"])
def test_a_live_source_and_images_have_one_interpreter(predictor, kind):
    source = Source(make_frames(1), "camera", **{kind: True})
    assert predictors_for(predictor, source) == [predictor]


def test_what_is_not_faster_is_not_used(path, predictor, monkeypatch):
    monkeypatch.setattr("edge.app.parallel.measured", lambda *engines: (1.0, 1.0))
    assert predictors_for(predictor, Source(make_frames(1), "file")) == [predictor]


def test_one_thread_and_files_of_others_are_left_alone(path):
    assert can_be_copied(predictor_with(path, 2))
    assert not can_be_copied(predictor_with(path, 1))
    slow = predictor_with(path, 2)
    slow.engine.first_millis = 151.0
    assert not can_be_copied(slow)


def test_both_ways_are_measured(path):
    engine = predictor_with(path, 2).engine
    together, apart = measured(engine, [engine.single_threaded() for _ in range(2)])
    assert 0 < together < 1 and 0 < apart < 1

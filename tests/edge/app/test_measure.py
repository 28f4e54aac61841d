"""Measurements: intervals after warm-up, processor time, the age of frames.

The networks here sleep or work for as long as a test says: work is counted in processor
time, so that a busy machine does not matter.
"""

import time
from contextlib import nullcontext

import numpy as np
import pytest

from edge.app.measure import (
    Mark,
    decoding,
    figures,
    growth,
    medians,
    network_alone,
    repeated_frames,
    stamp_of,
    stamped_frames,
    whole_loop,
)
from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from edge.video.frames import Frame, Source
from tests.support.engines import ArrayEngine

INFO = ModelInfo(class_names=("dark", "bright"), colors=((0, 0, 9), (200, 100, 0)))
FRAME = np.full((120, 300, 3), 200, np.uint8)


class Engine(ArrayEngine):
    """Labels bright pixels after `asleep` seconds of sleep and `at_work` of work."""

    def __init__(self, asleep: float = 0.0, at_work: float = 0.0):
        super().__init__(FRAME.shape[:2])
        self.asleep, self.at_work = asleep, at_work

    def labels(self, image: np.ndarray) -> np.ndarray:
        time.sleep(self.asleep)
        end = time.thread_time() + self.at_work
        while time.thread_time() < end:
            pass
        return (image[..., 0] > 127).astype(np.uint8)


def predictor(**work: float) -> SemanticPredictor:
    return SemanticPredictor(Engine(**work), INFO)


def loop(engine: SemanticPredictor, source: Source, count: int, stamped: bool = False):
    return whole_loop(engine, lambda: nullcontext(source), count, True, stamped)


def test_figures_equal_manual_results():
    # Three warm-up frames of one second each, then intervals of 10, 10, 10 and 50 ms;
    # each frame takes 30 ms of processor time.
    clock = [0, 1, 2, 3, 3.01, 3.02, 3.03, 3.08]
    result = figures([Mark(at, 0.03 * i) for i, at in enumerate(clock)])
    assert result["fps"] == 50.0  # 4 intervals in 0.08 s
    assert result["millis"] == {"p50": 10.0, "p95": 44.0}  # 10 + 0.85 * 40
    assert result["processor_millis"] == 30.0


def test_medians_are_of_each_figure():
    rounds = [{"a": a, "b": {"c": 10 * a}} for a in (3, 1, 8)]
    assert medians(rounds) == {"a": 3.0, "b": {"c": 30.0}}


def test_decoding_is_the_processor_time_of_reading_a_frame():
    def frames():
        for index in range(30):
            end = time.thread_time() + 0.01
            while time.thread_time() < end:
                pass
            time.sleep(0.002)
            yield Frame(FRAME, index / 25)

    source = Source(frames(), "video")
    assert 10 <= decoding(lambda: nullcontext(source), 20) < 15


def test_growth_compares_the_first_and_last_quarter():
    assert growth([10] * 4 + [99] * 8 + [13] * 4) == 3.0
    assert growth([5.0]) == 0.0


@pytest.mark.serial
def test_network_time_with_sleep_and_with_work():
    resting = network_alone(predictor(asleep=0.01), FRAME, 10)
    assert resting["millis"]["p50"] >= 10
    assert resting["fps"] <= 100
    assert resting["processor_millis"] < 5
    assert (
        10
        <= network_alone(predictor(at_work=0.01), FRAME, 10)["processor_millis"]
        < (15)
    )


@pytest.mark.serial
def test_loop_reports_all_stages_and_processor_time():
    source = Source(repeated_frames([FRAME]), "memory")
    result = loop(predictor(at_work=0.01), source, 40)
    stages = {"capture", "preprocess", "inference", "postprocess", "draw"}
    assert set(result["stage_millis"]) == stages
    assert result["stage_millis"]["inference"]["p50"] >= 10
    assert result["processor_millis"] >= 9  # it may start two frames ahead
    assert "age_millis" not in result


def test_frames_are_not_drawn_without_a_viewer():
    source = Source(repeated_frames([FRAME]), "memory")
    result = whole_loop(predictor(), lambda: nullcontext(source), 10, False, False)
    assert "draw" not in result["stage_millis"]


def test_a_source_with_too_few_frames_is_an_error():
    source = Source(iter([Frame(FRAME, 0.0)] * 9), "nine.mp4")
    with pytest.raises(InputError, match="nine.mp4: has 9 frames, --frames is 12"):
        loop(predictor(), source, 12)


@pytest.mark.serial
def test_stamped_frames_hold_their_time_and_keep_the_rate():
    begin = time.perf_counter()
    frames = [np.zeros((4, 6, 3), np.uint8), np.ones((4, 6, 3), np.uint8)]
    stamped = stamped_frames(frames, 50)
    taken = [next(stamped) for _ in range(6)]
    times = [stamp_of(frame.image) for frame in taken]
    assert times == [frame.seconds for frame in taken]
    assert times == sorted(times)
    assert all(at >= begin + 0.0199 * i for i, at in enumerate(times, start=1))
    assert times[-1] <= time.perf_counter()
    assert [frame.image[-1, -1, -1] for frame in taken] == [0, 1] * 3
    assert not frames[0].any()  # the stamp is written to a copy


@pytest.mark.serial
def test_age_of_frames_with_a_camera_faster_than_the_network():
    """With a network of 30 ms and a camera of 5 ms, the newest frame is used."""
    source = Source(stamped_frames([FRAME], 200), "camera", live=True)
    result = loop(predictor(asleep=0.03), source, 20, stamped=True)
    assert 30 <= result["age_millis"]["p50"] < 90  # two frames behind would be 90
    assert result["age_millis"]["p50"] <= result["age_millis"]["p95"]
    assert result["dropped"] > 20
    assert abs(result["age_growth_millis"]) < 60

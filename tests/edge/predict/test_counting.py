"""Crossings of a line, counted by hand."""

import argparse

import numpy as np
import pytest

from edge.model_file.info import ModelInfo
from edge.predict import counting
from edge.predict.counting import Line, LineCounter, parse_line
from edge.predict.results import Detections

INFO = ModelInfo(class_names=("cat", "dog"), colors=((1, 1, 1), (2, 2, 2)))
SIZE = (100, 200)


def frame(*objects) -> Detections:
    """Objects as (track, class, x, y of the centre), 10 pixels a side."""
    tracks, classes, x, y = np.float32(objects).reshape(-1, 4).T
    boxes = np.stack([x - 5, y - 5, x + 5, y + 5], axis=1)
    return Detections(
        boxes, classes.astype(np.int32), 0 * x, SIZE, tracks.astype(np.int32)
    )


def counts(line: str, *frames) -> dict[str, dict[str, int]]:
    counter = LineCounter(parse_line(line))
    for objects in frames:
        counter(frame(*objects))
    return counter.counts(INFO)


def test_crossings_are_counted_by_class_and_direction():
    before = [(1, 0, 20, 40), (2, 1, 60, 45), (3, 1, 90, 60), (4, 0, 9, 10)]
    after = [(1, 0, 20, 60), (2, 1, 60, 55), (3, 1, 90, 40), (4, 0, 9, 20)]
    assert counts("y=0.5", before, after) == {
        "cat": {"down": 1, "up": 0},
        "dog": {"down": 1, "up": 1},
    }


def test_a_vertical_line_has_other_directions():
    # x = 0.25 is at 50 of 200 pixels.
    assert counts("x=0.25", [(1, 0, 40, 9)], [(1, 0, 60, 9)]) == {
        "cat": {"right": 1, "left": 0}
    }


def test_a_track_counts_once():
    frames = [[(1, 0, 20, y)] for y in (49, 51, 49, 51, 49)]
    assert counts("y=0.5", *frames) == {"cat": {"down": 1, "up": 0}}


def test_a_track_may_be_absent_while_it_crosses():
    frames = [[(1, 0, 20, 30)], [], [], [(1, 0, 20, 70)]]
    assert counts("y=0.5", *frames) == {"cat": {"down": 1, "up": 0}}


def test_a_track_that_begins_beyond_the_line_is_no_crossing():
    assert counts("y=0.5", [(1, 0, 20, 70)], [(1, 0, 20, 90)]) == {}


def test_objects_that_left_are_forgotten(monkeypatch):
    monkeypatch.setattr(counting, "REMEMBERED", 3)
    counter = LineCounter(Line("y", 0.5))
    counter(frame((1, 0, 20, 30)))
    for _ in range(5):
        counter(frame())
    assert not counter._tracks


def test_objects_need_tracks():
    with pytest.raises(ValueError, match="track_ids"):
        LineCounter(Line("y", 0.5))(
            Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0), SIZE)
        )


@pytest.mark.parametrize("text", ["", "y", "z=0.5", "y=0", "y=1", "y=nan", "0.5"])
def test_a_text_that_is_no_line(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a line"):
        parse_line(text)


def test_a_class_without_a_name_is_counted_by_its_number():
    crossed = counts("y=0.5", [(1, 7, 50, 40)], [(1, 7, 50, 60)])
    assert crossed == {"class 7": {"down": 1, "up": 0}}

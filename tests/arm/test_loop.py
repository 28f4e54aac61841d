"""How labels of two machines are compared."""

import cv2
import numpy as np
import pytest

from tests.arm.loop import Result, equal_share


def write(folder, **labels):
    folder.mkdir()
    for name, values in labels.items():
        cv2.imwrite(str(folder / f"{name}.png"), np.array(values, np.uint8))
    return folder


def test_the_share_of_equal_labels(tmp_path):
    """One of four pixels of the second frame differs: (1 + 3/4) / 2."""
    here = write(tmp_path / "here", a=[[0, 1], [2, 3]], b=[[0, 1], [2, 3]])
    there = write(tmp_path / "there", a=[[0, 1], [2, 3]], b=[[0, 1], [2, 2]])
    assert equal_share(here, there) == 0.875


def test_what_only_one_machine_wrote_differs(tmp_path):
    here = write(tmp_path / "here", a=[[1, 1]], b=[[1, 1]])
    there = write(tmp_path / "there", a=[[1, 1]])
    assert equal_share(here, there) == equal_share(there, here) == 0.5
    assert equal_share(here, write(tmp_path / "none")) == 0.0


def test_labels_of_another_size_differ(tmp_path):
    here = write(tmp_path / "here", a=[[1, 1]])
    assert equal_share(here, write(tmp_path / "there", a=[[1], [1]])) == 0.0


@pytest.mark.parametrize(
    ("model", "equal", "passed"),
    [("a/int8.tflite", 1.0, True), ("a/int8.tflite", 0.9999, False)]
    + [("a/float32.tflite", 0.995, True), ("a/float32.tflite", 0.98, False)],
)
def test_int8_has_to_be_equal(model, equal, passed):
    assert Result("a board", model, equal, "").passed is passed

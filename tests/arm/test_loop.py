"""How labels of two machines are compared."""

import cv2
import numpy as np
import pytest

from tests.arm.loop import OWN_SIZE, Result, equal_shares

INT8, FLOAT32 = (f"tests/files/old_run/{name}.tflite" for name in ("int8", "float32"))


def write(folder, **sizes):
    """Files of zeros of the given sizes."""
    folder.mkdir()
    for name, size in sizes.items():
        cv2.imwrite(str(folder / f"{name}.png"), np.zeros(size, np.uint8))
    return folder


def test_the_shares_of_equal_labels(tmp_path):
    """One of four pixels of one of two large frames differs: (1 + 3/4) / 2."""
    sizes = {"a": OWN_SIZE, "b": (2, 2), "c": (2, 2)}
    here, there = write(tmp_path / "here", **sizes), write(tmp_path / "there", **sizes)
    assert equal_shares(here, there) == (1.0, 1.0)
    cv2.imwrite(str(there / "c.png"), np.array([[0, 0], [0, 1]], np.uint8))
    assert equal_shares(here, there) == (1.0, 0.875)


def test_what_only_one_machine_wrote_differs(tmp_path):
    here = write(tmp_path / "here", a=(1, 2), b=(1, 2))
    there = write(tmp_path / "there", a=(1, 2))
    assert equal_shares(here, there) == equal_shares(there, here) == (0.0, 0.5)
    assert equal_shares(here, write(tmp_path / "none")) == (0.0, 0.0)


def test_labels_of_another_size_differ(tmp_path):
    here = write(tmp_path / "here", a=(1, 2))
    assert equal_shares(here, write(tmp_path / "there", a=(2, 1))) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("model", "equal", "passed"),
    [
        (INT8, (1.0, 0.9995), True),
        (INT8, (0.9999, 1.0), False),
        (FLOAT32, (0.995, 0.995), True),
        (FLOAT32, (1.0, 0.98), False),
    ],
)
def test_int8_has_to_be_equal(model, equal, passed):
    assert Result("a board", model, equal, "").passed is passed

"""Sizes with manual results."""

import numpy as np
import pytest

from edge.predict.resizing import fit_within, limit_side, resize


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        ((480, 640), (480, 640), (480, 640)),
        ((540, 960), (360, 480), (270, 480)),  # 480 / 960 = 0.5
        ((960, 540), (360, 480), (360, 202)),  # 360 / 960 = 0.375; 202.5 to even
        ((10, 10), (30, 50), (30, 30)),
        ((1, 1000), (8, 8), (1, 8)),
    ],
)
def test_fit_within(size, box, expected):
    assert fit_within(size, box) == expected


def test_limit_side_keeps_small_sizes():
    assert limit_side((1024, 3), 1024) == (1024, 3)
    assert limit_side((1025, 3), 1024) == (1024, 3)
    assert limit_side((3000, 4000), 1024) == (768, 1024)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3)])
@pytest.mark.parametrize("size", [(4, 6), (2, 3), (9, 9), (8, 3)])
def test_resize_keeps_the_number_of_dimensions(shape, size):
    assert resize(np.zeros(shape, np.uint8), size).shape == (*size, *shape[2:])

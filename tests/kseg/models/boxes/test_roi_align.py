"""RoIAlign: values of torchvision 0.28 (tests/support/roi_align.npz), and by hand."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from kseg.models.boxes.roi_align import (
    interpolation,
    level_of,
    roi_align,
    roi_align_levels,
)

STORED = np.load(Path(__file__).parents[3] / "support" / "roi_align.npz")


def aligned_inside(boxes, features=STORED["features"], **options):
    return ops.convert_to_numpy(roi_align(features, boxes, **options))


@pytest.mark.parametrize("chunk", (100, 4), ids=("at once", "in chunks"))
@pytest.mark.parametrize(
    ("name", "options"),
    [("plain", {"size": 7}), ("aligned", {"size": 4, "aligned": True})],
)
def test_values_are_those_of_torchvision(name, options, chunk):
    """Boxes inside, partly and wholly outside, without an area, under a cell."""
    found = aligned_inside(STORED["boxes"], stride=4, chunk=chunk, **options)
    assert np.abs(found - STORED[name]).max() < 1e-5
    assert (found[1, 0] == 0).all()  # wholly outside


def test_a_sample_is_bilinear_between_two_cells():
    """One output of [0.5, 2.5]: samples at 1 and 2. Of [2, 6]: at 3 and, inside, 5."""
    start, length = ops.convert_to_tensor([0.5, 2.0]), ops.convert_to_tensor([2.0, 4.0])
    found = ops.convert_to_numpy(interpolation(start, length, 5, size=1))
    assert found[0].tolist() == [[0, 0.5, 0.5, 0, 0]]
    assert found[1].tolist() == [[0, 0, 0, 0.5, 0.5]]  # 5 is one past the last cell


def test_a_box_of_a_ramp_has_the_ramp_at_its_cells():
    """The value of cell x is x; the parts of a box from 2 to 6 have centres 3 and 5."""
    ramp = np.tile(np.arange(8, dtype=np.float32)[:, None], (1, 8, 1, 1))
    box = np.float32([[[2, 2, 6, 6]]])
    found = aligned_inside(box, ramp, stride=1, size=2)
    assert found[0, 0, :, :, 0].tolist() == [[3, 5], [3, 5]]
    centered = aligned_inside(box, ramp, stride=1, size=2, aligned=True)
    assert centered[0, 0, 0, :, 0].tolist() == [2.5, 4.5]


def test_the_level_of_a_box_is_that_of_torchvision():
    found = level_of(ops.convert_to_tensor(STORED["level_boxes"]), 2, 5)
    assert ops.convert_to_numpy(found).tolist() == STORED["levels"].tolist()


def test_each_box_is_computed_from_its_own_level():
    """Levels of constant value 2 and 3: boxes of 100 and 120 pixels."""
    fine, coarse = np.full((1, 16, 16, 1), 2.0), np.full((1, 8, 8, 1), 3.0)
    boxes = ops.convert_to_tensor(np.float32([[[0, 0, 100, 100], [0, 0, 120, 120]]]))
    found = roi_align_levels((fine, coarse), (4, 8), boxes, 2)
    assert ops.convert_to_numpy(found)[0, :, 0, 0, 0].tolist() == [2, 3]

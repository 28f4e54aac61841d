"""Anchors of several shapes: torchvision's (tests/support/roi_align.npz)."""

from pathlib import Path

import numpy as np
from keras import ops

from kseg.models.boxes.anchors import anchor_shapes, rpn_anchors

STORED = np.load(Path(__file__).parents[3] / "support" / "roi_align.npz")


def test_anchors_are_those_of_torchvision():
    grids = [(8, 12), (4, 6), (2, 3)]
    found = ops.convert_to_numpy(rpn_anchors(grids, (4, 8, 16), scale=4))
    assert found.tolist() == STORED["anchors"].tolist()


def test_a_square_anchor_is_around_the_corner_of_its_cell():
    """Two cells of stride 4, anchors of 8 pixels."""
    found = rpn_anchors([(1, 2)], (4,), scale=2, ratios=(1.0,))
    expected = [[-4, -4, 4, 4], [0, -4, 8, 4]]
    assert ops.convert_to_numpy(found).tolist() == expected


def test_the_ratio_is_the_height_over_the_width():
    x0, y0, x1, y1 = anchor_shapes(32, (0.25,))[0].tolist()
    assert (x1 - x0, y1 - y0) == (64, 16)

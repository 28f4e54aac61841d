"""Anchors and deltas in NumPy: those of torchvision, and of the networks."""

from pathlib import Path

import numpy as np
import pytest

from edge.predict.region_anchors import region_anchors, region_deltas

STORED = np.load(Path(__file__).parents[2] / "support" / "roi_align.npz")


def test_anchors_are_those_of_torchvision():
    found = region_anchors((32, 48), (4, 8, 16), 4.0)
    assert found.tolist() == STORED["anchors"].tolist()
    assert not found.flags.writeable  # it is kept for the next call


def test_the_last_level_has_every_second_cell():
    """Of 3 cells, 2."""
    found = region_anchors((16, 24), (8, 16), 1.0, (1.0,))
    assert len(found) == 2 * 3 + 1 * 2
    assert found[-1].tolist() == [8, -8, 24, 8]


@pytest.mark.parametrize("weights", ((1, 1, 1, 1), (10, 10, 5, 5)), ids=str)
def test_deltas_are_those_of_torchvision(weights):
    boxes = STORED["reference"]
    found = region_deltas(boxes[::-1], boxes, weights)
    assert found == pytest.approx(STORED[f"encoded_{weights[0]}"], abs=1e-5)

"""Proposals and objects of networks of regions, worked out by hand."""

from math import log

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.predict.region_choice import objects, proposals, settings_of

# Four anchors of 4 x 4 pixels around the corners (0, 0), (4, 0), (0, 4) and (4, 4).
DECODER = {"strides": [4], "anchor_scale": 1.0, "ratios": [1.0]}
DECODER |= {"before": 4, "after": 3, "proposal_nms": 0.7}
SETTINGS = settings_of(DECODER)
SIZE = (8, 8)
STILL = np.zeros((4, 4), np.float32)


def propose(objectness, deltas=STILL, size=SIZE, **changes):
    settings = settings_of({**DECODER, **changes})
    return proposals(np.float32(objectness), deltas, size, 4, settings)


def test_proposals_are_the_best_anchors_in_the_image():
    found = propose([0, 1, -1, log(4)])
    assert found.boxes.tolist() == [[2, 2, 6, 6], [2, 0, 6, 2], [0, 0, 2, 2]]
    assert found.scores.tolist() == pytest.approx([0.8, 1 / (1 + np.exp(-1)), 0.5])
    assert found.class_ids.tolist() == [0, 0, 0]


def test_of_equal_scores_the_first_is_first():
    assert propose([0, 0, 0, 0]).boxes[:, :2].tolist() == [[0, 0], [2, 0], [0, 2]]


def test_an_anchor_moved_onto_a_better_one_is_left_out():
    deltas = STILL.copy()
    deltas[1, 0] = -1  # by its own width, 4 pixels to the left
    assert propose([2, 1, 0, -1], deltas).boxes[:, :2].tolist() == [
        *([0, 0], [0, 2], [2, 2]),
    ]
    assert len(propose([2, 1, 0, -1], deltas, before=2).boxes) == 1
    out = STILL.copy()
    out[3, 0] = 9  # to the right of the image
    assert len(propose([0, 0, 0, 9], out).boxes) == 3


def test_levels_are_compared_after_their_suppression():
    """The second level has one anchor of 8 x 8, which covers a quarter of the image."""
    deltas = np.zeros((5, 4), np.float32)
    found = propose([0, 0, 0, 0, 5], deltas, strides=[4, 8])
    assert found.boxes[0].tolist() == [0, 0, 4, 4]
    assert len(found.boxes) == 3


def test_a_padded_input_has_more_anchors():
    deltas = np.zeros((6, 4), np.float32)
    found = propose([0, 0, 0, 0, 0, 1], deltas, size=(8, 9))  # 8 x 12 with its padding
    assert found.boxes[0].tolist() == [6, 2, 9, 6]


def test_outputs_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"objectness is \[3\], and \[4\] is expected"):
        propose([0, 0, 0])
    with pytest.raises(InputError, match=r"deltas is \[3, 4\]"):
        propose([0, 0, 0, 0], STILL[:3])
    with pytest.raises(InputError, match="objectness has 1 of 4 values that are not"):
        propose([0, 0, np.nan, 0])


def test_objects_are_the_classes_over_the_least_probability():
    """Probabilities .1, .8, .1 and .8, .16, .04: three are over .05."""
    logits = np.log(np.float32([[0.1, 0.8, 0.1], [0.8, 0.16, 0.04]]))
    deltas = np.zeros((2, 12), np.float32)
    deltas[0, 4] = 5.0  # the first class of the first region: right by half its width
    regions = np.float32([[0, 0, 4, 4], [4, 4, 8, 8]])
    found = objects(logits, deltas, regions, SIZE, SETTINGS)
    assert found.boxes.tolist() == [[2, 0, 6, 4], [4, 4, 8, 8], [0, 0, 4, 4]]
    assert found.scores.tolist() == pytest.approx([0.8, 0.16, 0.1])
    assert found.class_ids.tolist() == [0, 0, 1]
    assert found.class_ids.dtype == np.int32


def test_of_a_class_only_the_best_of_overlapping_regions_remains():
    logits = np.log(np.float32([[0.2, 0.4, 0.4], [0.1, 0.6, 0.3]]))
    regions = np.float32([[0, 0, 4, 4], [0, 0, 4, 4]])
    arrays = logits, np.zeros((2, 12), np.float32), regions, SIZE
    found = objects(*arrays, SETTINGS)
    assert found.class_ids.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.6, 0.4])
    found = objects(*arrays, settings_of({**DECODER, "object_nms": 1.0, "count": 3}))
    assert found.scores.tolist() == pytest.approx([0.6, 0.4, 0.4])
    found = objects(*arrays, settings_of({**DECODER, "candidates": 1}))
    assert len(found.boxes) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strides", None),
        ("strides", [8, 4]),
        ("before", 0),
        ("ratios", [0]),
        ("least", 2),
        ("anchor_scale", "8"),
    ],
)
def test_invalid_settings_are_named(name, value):
    with pytest.raises(InputError, match=f"the decoder's {name} is .*; it must be "):
        settings_of({**DECODER, name: value})

"""Samples of proposals, by hand."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from edge.model_file.info import InputGeometry
from edge.predict.region_boxes import decode_moves
from kseg.core.configs import TrainConfig
from kseg.data import shapes
from kseg.data.loading.objects import ObjectBatchLoader
from kseg.data.loading.proposal_targets import (
    SAMPLES,
    UNUSED,
    ProposalTargets,
    with_proposals,
)
from kseg.data.open import open_data
from tests.support.objects import objects_of

SIZE = (64, 64)
TRUTH = [(10, 10, 30, 30), (40, 40, 60, 60)]


def target_of(proposals, background=0.1, crowd=(False, False), seed=0):
    objects = objects_of(TRUTH, [2, 0], crowd, masks=False)
    objects = replace(objects, proposals=np.float32(proposals).reshape(-1, 4))
    targets = ProposalTargets(SIZE, background)
    return targets.of(objects, np.random.default_rng(seed))


def rows_of(target):
    """Class by box, of the places that count."""
    used = target["classes"] != UNUSED
    boxes = map(tuple, target["proposals"][used].tolist())
    return dict(zip(boxes, target["classes"][used].tolist(), strict=True))


def test_classes_by_overlap():
    """IoU 1/2, 1/4 and 0 with the first object; the objects are proposals too."""
    found = rows_of(target_of([(10, 10, 30, 20), (10, 10, 20, 20), (0, 50, 9, 59)]))
    assert found == {
        (10, 10, 30, 20): 3,
        (10, 10, 20, 20): 0,
        (0, 50, 9, 59): 0,
        (10, 10, 30, 30): 3,
        (40, 40, 60, 60): 1,
    }


def test_moves_lead_to_the_object():
    target = target_of([(10, 10, 30, 20), (38, 40, 58, 60)])
    real = np.flatnonzero(target["classes"] > 0)
    moved = decode_moves(target["moves"][real][:, None], target["proposals"][real])
    wanted = {3: TRUTH[0], 1: TRUTH[1]}
    for box, label in zip(moved[:, 0], target["classes"][real], strict=True):
        assert box == pytest.approx(wanted[int(label)], abs=1e-3)
    assert not target["moves"][target["classes"] <= 0].any()


def test_a_quarter_has_objects_and_difficult_background_comes_first():
    hits = [(10 + k / 100, 10, 30, 30) for k in range(40)]
    hard = [(10, 10, 20 + k / 100, 20) for k in range(30)]  # IoU 1/4
    easy = [(0, 50 + k / 100, 9, 59) for k in range(40)]
    target = target_of([*hits, *hard, *easy])
    found = rows_of(target)
    assert np.count_nonzero(target["classes"] > 0) == SAMPLES // 4
    assert all(box in found for box in map(tuple, np.float32(hard).tolist()))
    assert np.count_nonzero(target["classes"] == 0) == SAMPLES * 3 // 4
    # R-CNN takes them alike.
    other = rows_of(target_of([*hits, *hard, *easy], background=0.0))
    assert any(box not in other for box in map(tuple, np.float32(hard).tolist()))


def test_crowds_are_neither_objects_nor_background():
    inside = (12, 12, 20, 20)
    found = rows_of(target_of([inside, (0, 50, 9, 59)], crowd=(True, False)))
    assert found == {(0, 50, 9, 59): 0, TRUTH[1]: 1}


def test_the_sample_depends_on_the_random_numbers_only():
    proposals = np.random.default_rng(3).uniform(0, 30, (99, 4))
    proposals[:, 2:] += proposals[:, :2]
    first, same, other = (target_of(proposals, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not np.array_equal(first["proposals"], other["proposals"])


def test_an_image_without_objects_or_proposals():
    targets = ProposalTargets(SIZE)
    nothing = objects_of([], [], masks=False)
    nothing = replace(nothing, proposals=np.zeros((0, 4), np.float32))
    target, blank = targets.of(nothing, np.random.default_rng(0)), targets.blank()
    for name, value in blank.items():
        assert np.array_equal(target[name], value)
        assert target[name].dtype == value.dtype


def test_proposals_are_an_input_of_the_network():
    change = with_proposals(TrainConfig(model="fast_rcnn"))
    inputs, target = change("images", {"proposals": "boxes", "classes": "ids"})
    assert inputs == {"image": "images", "proposals": "boxes"}
    assert target == {"classes": "ids"}


@pytest.mark.parametrize("model", ("fast_rcnn", "rcnn"))
def test_batches_of_a_resumed_run_are_the_same(model, tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path))
    monkeypatch.setattr(shapes, "OBJECT_SCENES", {"train": 4, "val": 2, "test": 1})
    config = TrainConfig(model=model, size=SIZE, batch_size=2, epochs=9)
    data = open_data("shapes", task="detection")
    loader = ObjectBatchLoader(config, data, SIZE, InputGeometry(minimum=16))
    batches = [*loader.training().take(2), *loader.training(1).take(1)]
    _, second, again = (tf.nest.flatten(batch) for batch in batches)
    assert [tuple(x.shape) for x in second] == SHAPES[model]
    for expected, found in zip(second, again, strict=True):
        assert np.array_equal(expected, found)


# Inputs and targets of two images: classes, moves.
TARGETS = [(2, SAMPLES), (2, SAMPLES, 4)]
SHAPES = {
    "fast_rcnn": [(2, *SIZE, 3), (2, SAMPLES, 4), *TARGETS],
    "rcnn": [(2 * SAMPLES, 32, 32, 3), *TARGETS],
}

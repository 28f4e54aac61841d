"""Scenes of a fixed number of objects, and how a run opens them again."""

import json

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig, to_record
from kseg.core.options import refuse_unused
from kseg.core.task_defaults import for_task
from kseg.data.open import open_data
from kseg.data.shapes import LEAST_AREA, ObjectShapesSplit
from kseg.evaluation.open import data_of


@pytest.mark.parametrize("objects", [1, 3])
def test_every_scene_has_so_many_visible_objects(objects):
    split = open_data("shapes", task="instance", objects=objects).split("val")
    for index in range(60):
        masks = split.read(index).target.masks
        assert len(masks) == objects
        assert min(map(np.count_nonzero, masks)) >= LEAST_AREA


def test_a_scene_is_the_same_each_time_and_differs_from_others():
    split = open_data("shapes", task="detection", objects=1).split("train")
    first, again, other = split.read(0), split.read(0), split.read(1)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.target.boxes, again.target.boxes)
    assert first.target.masks is None
    assert not np.array_equal(first.image, other.image)


def test_more_objects_than_can_be_visible_are_no_endless_search():
    sample = ObjectShapesSplit(1, 5, masks=True, objects=100).read(0)
    assert 0 < len(sample.target.boxes) <= 100


def test_the_fingerprint_depends_on_the_number():
    one = open_data("shapes", task="detection", objects=1)
    assert one.split("val").names[7] == "scene 7 of 1"
    assert one.fingerprint != open_data("shapes", task="detection").fingerprint


def test_a_run_opens_its_scenes_again(tmp_path):
    config = TrainConfig(data="shapes", task="detection", objects=1)
    record = {"config": to_record(config), "data": {}}
    (tmp_path / "config.json").write_text(json.dumps(record), encoding="utf-8")
    for given in ("", "shapes"):
        data = data_of(str(tmp_path), tmp_path, given, None)
        assert data.split("val").objects == 1


def test_the_option_is_for_objects_of_shapes_only():
    with pytest.raises(InputError, match="--objects: has no effect on labelled images"):
        refuse_unused(TrainConfig(data="photos", objects=1), {"objects"})
    with pytest.raises(InputError, match="--objects: .* on the task semantic"):
        for_task(TrainConfig(objects=1), {"objects"}, "semantic")

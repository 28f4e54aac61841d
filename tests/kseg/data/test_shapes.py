import numpy as np
import pytest

from edge.core.errors import InputError
from edge.video import scenes
from kseg.data.objects import to_semantic
from kseg.data.open import open_data
from kseg.data.shapes import LEAST_AREA


@pytest.mark.parametrize("task", ("instance", "detection"))
def test_object_scenes(task):
    data = open_data("shapes", task=task)
    assert data.task == task
    assert data.class_names == ("disc", "square", "triangle", "ring", "cross")
    assert data.colors == scenes.COLORS[1:]
    counts = {name: len(split.sizes) for name, split in data.splits.items()}
    assert counts == {"train": 3200, "val": 200, "test": 200}
    assert data.split("val").names[199] == "scene 199"
    assert (data.split("val").read(0).target.masks is None) == (task == "detection")


def test_each_split_has_the_seed_of_the_semantic_one():
    """Painted, the objects are the mask, but for objects of too few pixels."""
    objects, masks = open_data("shapes", task="instance"), open_data("shapes")
    for split in ("train", "val", "test"):
        for index in range(5):
            image, found = objects.split(split).read(index)
            other, mask = masks.split(split).read(index)
            np.testing.assert_array_equal(image, other)
            wrong = to_semantic(found, mask.shape) != mask
            assert wrong.sum() < 2 * LEAST_AREA


def test_objects_of_few_visible_pixels_are_left_out():
    split = open_data("shapes", task="instance").split("train")
    areas = [
        np.count_nonzero(mask)
        for index in range(40)
        for mask in split.read(index).target.masks
    ]
    maps = (scenes.scene_objects(0, index)[1] for index in range(40))
    left = [n for instances in maps for n in np.bincount(instances.ravel())[1:]]
    assert min(areas) >= LEAST_AREA
    assert sorted(areas) == sorted(n for n in left if n >= LEAST_AREA)
    assert any(0 < n < LEAST_AREA for n in left)


def test_the_default_is_semantic_and_other_tasks_are_refused():
    assert open_data("shapes").task == "semantic"
    with pytest.raises(InputError, match="--task: unknown task 'depth'"):
        open_data("shapes", task="depth")

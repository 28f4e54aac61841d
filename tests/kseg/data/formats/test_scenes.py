"""The scenes of `shapes` as a data folder."""

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.video import scenes
from kseg.core.configs import PrepareConfig
from kseg.data.formats.convert import convert_export
from kseg.data.open import open_data
from kseg.data.shapes import ObjectShapesSplit


def prepared(folder, **options):
    return convert_export(PrepareConfig("shapes", str(folder), **options))


@pytest.mark.parametrize("task", ("instance", "detection"))
def test_objects_are_those_of_the_generated_scenes(task, tmp_path):
    done = prepared(tmp_path / "data", task=task, count=3, val_share=0.4)
    assert done.splits == {"train": 3, "val": 1} and done.task == task
    data = open_data(str(tmp_path / "data"))
    assert (data.task, data.class_names) == (task, scenes.CLASSES[1:])
    assert data.colors == scenes.COLORS[1:]
    for seed, (name, count) in enumerate({"train": 3, "val": 1}.items()):
        expected = ObjectShapesSplit(seed, count, masks=task == "instance")
        for index in range(count):
            found, true = data.split(name).read(index), expected.read(index)
            np.testing.assert_array_equal(found.image, true.image)
            np.testing.assert_allclose(found.target.boxes, true.target.boxes)
            assert found.target.class_ids.tolist() == true.target.class_ids.tolist()
            pairs = zip(found.target.masks or (), true.target.masks or (), strict=True)
            assert all((ours == theirs).all() for ours, theirs in pairs)


def test_without_a_task_each_pixel_has_a_class(tmp_path):
    prepared(tmp_path / "data", count=2)
    data = open_data(str(tmp_path / "data"))
    assert (data.task, data.class_names) == ("semantic", scenes.CLASSES)
    sample, expected = data.split("train").read(1), scenes.scene(0, 1)
    np.testing.assert_array_equal(sample.image, expected[0])
    np.testing.assert_array_equal(sample.target, expected[1])


def test_the_number_of_scenes_is_only_for_them(tmp_path):
    with pytest.raises(InputError, match="^--count: has no effect without the SRC"):
        convert_export(PrepareConfig(str(tmp_path), str(tmp_path / "data"), count=3))

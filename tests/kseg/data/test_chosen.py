"""Splits of some images of others keep the type of splits of files."""

import numpy as np

from kseg.data.chosen import ChosenSplit, choose_images, image_files
from kseg.data.folder import FolderSplit
from kseg.data.object_folder import ObjectSplit, SemanticSplit
from kseg.data.open import open_data
from kseg.data.shapes import ShapesSplit


def test_files_of_masks(data_folder):
    data = open_data(str(data_folder))
    train, val = data.splits["train"], data.splits["val"]
    chosen = choose_images([(train, [3, 1]), (val, [0])])
    assert isinstance(chosen, FolderSplit)
    assert chosen.images == [train.images[3], train.images[1], val.images[0]]
    assert chosen.files == [
        *chosen.images,
        train.masks[3],
        train.masks[1],
        val.masks[0],
    ]
    assert chosen.classes == train.classes and image_files(chosen) == chosen.images


def test_files_of_objects_and_objects_as_classes(object_data):
    objects = open_data(str(object_data), task="instance").splits["train"]
    chosen = choose_images([(objects, [2])])
    assert isinstance(chosen, ObjectSplit) and chosen.names == ["s2.png"]
    expected = objects.read(2).target
    np.testing.assert_array_equal(chosen.read(0).target.boxes, expected.boxes)
    painted = choose_images([(SemanticSplit(objects), [2, 0])])
    assert isinstance(painted, SemanticSplit) and painted.names == ["s2.png", "s0.png"]
    assert image_files(painted) == [objects.images[2], objects.images[0]]


def test_generated_images_have_no_files():
    one, other = ShapesSplit(0, 4), ShapesSplit(1, 4)
    chosen = choose_images([(one, [1]), (other, [3, 0])])
    assert isinstance(chosen, ChosenSplit) and image_files(chosen) is None
    assert chosen.names == ["scene 1", "scene 3", "scene 0"] and chosen.files == []
    assert len(chosen.sizes) == 3
    np.testing.assert_array_equal(chosen.read(2).image, other.read(0).image)

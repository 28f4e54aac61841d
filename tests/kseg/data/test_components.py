"""Components of masks by hand, and which classes are rare."""

import os

import cv2
import numpy as np
import pytest

from edge.core.errors import InputError
from edge.video import scenes
from kseg.data import components
from kseg.data.components import (
    Components,
    find_components,
    parts_of,
    pasted_classes,
)
from kseg.data.open import open_data
from kseg.data.sample import Dataset
from kseg.data.shapes import ShapesSplit, open_shapes

SHAPES = scenes.CLASSES, scenes.COLORS
# Class 2 has a diagonal of two pixels, and one at the left edge; class 1 has a column.
MASK = np.array(
    [
        [0, 0, 0, 1, 0, 0],
        [2, 0, 0, 1, 2, 0],
        [0, 0, 2, 1, 0, 2],
        [0, 2, 0, 1, 255, 255],
    ],
    np.uint8,
)


def test_components_are_of_8_neighbours_and_not_at_the_sides():
    found = parts_of(MASK, 3)
    assert found.pixels.tolist() == [13, 4, 5]
    assert sorted(found.parts.tolist()) == [
        [1, 0, 3, 4, 4],  # class, top, left, bottom, right
        [2, 2, 1, 4, 3],
    ]  # class 0, and the last of class 2, touch a side


def test_small_components_are_left_out():
    mask = np.zeros((100, 100), np.uint8)
    mask[10, 10:12] = 1  # 2e-4 of the image
    mask[50, 10] = 1
    assert parts_of(mask, 2).parts.tolist() == [[1, 10, 10, 11, 12]]


def test_of_many_components_the_largest_are_kept(monkeypatch):
    monkeypatch.setattr(components, "MOST", 1)
    mask = np.zeros((9, 9), np.uint8)
    mask[1, 1], mask[5:7, 5] = 1, 1
    assert parts_of(mask, 2).parts.tolist() == [[1, 5, 5, 7, 6]]


FOUND = Components(
    np.int32([0, 0, 1]),
    np.int32([1, 2, 1]),
    np.zeros((3, 4)),
    np.array([0.7, 0.05, 0.02, 0.23]),  # rare: under 1/4 of 1/4
)
NAMES = ("road", "pole", "sign", "car")


@pytest.mark.parametrize(
    "names, expected",
    ((("rare",), (1, 2)), (("sign",), (2,)), (("sign", "pole"), (2, 1))),
)
def test_pasted_classes(names, expected):
    assert pasted_classes(names, NAMES, FOUND) == expected


@pytest.mark.parametrize(
    "names, message",
    (
        (("tree",), "'tree' is not a class; use rare or some of road, pole"),
        (("car",), "no training image has an object of these classes"),
    ),
)
def test_classes_that_cannot_be_pasted(names, message):
    with pytest.raises(InputError, match=message):
        pasted_classes(names, NAMES, FOUND)


def test_no_class_is_rare():
    even = FOUND._replace(shares=np.full(4, 0.25))
    with pytest.raises(InputError, match="no class has under 6.25% of the labelled"):
        pasted_classes(("rare",), NAMES, even)


LONG_AGO = 1_500_000_000_123_456_789  # nanoseconds since 1970


def test_a_folder_is_scanned_once(tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path / "cache"))
    for split in ("train", "val"):
        for kind, values in (("images", 40 * MASK), ("masks", np.minimum(MASK, 2))):
            path = tmp_path / "data" / split / kind / "a.png"
            path.parent.mkdir(parents=True)
            cv2.imwrite(str(path), values)
            os.utime(path, ns=(LONG_AGO, LONG_AGO))
    data = open_data(str(tmp_path / "data"), 0)
    first = find_components(data)
    assert first.class_ids.tolist() == [1, 2]
    assert first.boxes[0].tolist() == [0, 3 / 6, 1, 4 / 6]
    assert first.shares.tolist() == pytest.approx([13 / 24, 4 / 24, 7 / 24])
    monkeypatch.setattr(components, "parts_of", None)
    for one, other in zip(first, find_components(data), strict=True):
        np.testing.assert_array_equal(one, other)


def test_generated_scenes_have_components():
    split = open_shapes().split("train")
    found = find_components(
        Dataset("shapes", *SHAPES, {"train": ShapesSplit(split.seed, 2)})
    )
    assert set(found.images) == {0, 1} and found.boxes.max() <= 1

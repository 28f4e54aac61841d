"""The Data Science Bowl 2018. Images are 4x6."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.kseg.data.formats.conftest import Found


def mask(top, left, bottom, right) -> np.ndarray:
    array = np.zeros((4, 6), np.uint8)
    array[top:bottom, left:right] = 255
    return array


@pytest.fixture
def bowl(source, save):
    """Image 0a has two nuclei that share 2 pixels, 0b has one."""
    images = {"0a": [(0, 0, 4, 3), (1, 2, 3, 6)], "0b": [(0, 0, 1, 1)]}
    for stem, boxes in images.items():
        save(source / stem / "images" / f"{stem}.png", np.zeros((4, 6, 4)))
        for index, box in enumerate(boxes):
            save(source / stem / "masks" / f"{index}.png", mask(*box))
    return source


def test_shared_pixels_go_to_the_smaller_object(bowl, objects_of, target):
    """12 and 8 pixels, of which 2 are in both."""
    assert objects_of() == {
        "0a.png": [
            Found("nucleus", (0, 0, 3, 4), 10),
            Found("nucleus", (2, 1, 6, 3), 8),
        ],
        "0b.png": [Found("nucleus", (0, 0, 1, 1), 1)],
    }
    with Image.open(next(target.glob("*/images/0a.png"))) as image:
        assert image.mode == "RGBA"
    classes = json.loads((target / "classes.json").read_text(encoding="utf-8"))
    assert classes["task"] == "instance"


def test_shared_pixels_are_counted(bowl, counts_of, capsys):
    counts = counts_of()
    assert counts["format"] == "bowl"
    assert counts["objects"] == {
        "classes": {"nucleus": 3},
        "crowds": 0,
        "empty": 0,
        "skipped": {},
        "changed": {"pixels in several masks, given to the smaller object": 2},
        "bare": [],
        "images": {"nucleus": 2},
    }
    said = capsys.readouterr().err
    assert "3 objects: nucleus 3; pixels in several masks, given to the" in said


def test_empty_and_hidden_masks_are_counted(bowl, save, counts_of):
    save(bowl / "0b/masks/1.png", mask(0, 0, 0, 0))
    assert counts_of()["objects"]["skipped"] == {"empty masks": 1}


def test_images_without_masks_are_left_out(bowl, save, counts_of):
    """Those of stage1_test."""
    save(bowl / "0c/images/0c.png", size=(4, 6))
    assert counts_of()["unlabelled"] == 1


def test_masks_of_all_objects(bowl, prepared):
    data = prepared("--task", "semantic")
    assert data.class_names == ("background", "nucleus")
    masks = [split.read(0)[1] for split in data.splits.values()]
    assert sorted(int(mask.sum()) for mask in masks) == [1, 12 + 8 - 2]


def test_mask_of_another_size(bowl, save, error_message):
    path = save(bowl / "0b/masks/1.png", np.zeros((4, 5)))
    message = error_message()
    assert str(path) in message
    assert "4x5" in message and "4x6" in message


def test_damaged_mask(bowl, error_message):
    path = bowl / "0b/masks/0.png"
    path.write_bytes(path.read_bytes()[:45])
    assert str(path) in error_message()

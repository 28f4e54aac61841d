"""Data folders of objects in each layout: what is read, and what is refused."""

import json
import logging
import shutil

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.data.object_folder import (
    open_as_semantic,
    open_detections,
    open_instances,
)
from kseg.data.objects import to_semantic
from tests.support.object_folders import (
    NAMES,
    SIZE,
    assert_equal,
    change_file,
    declare,
    save,
    scene,
    scene_objects,
    write_file,
    write_maps,
)

COUNTS = {"train": 3, "val": 2}


@pytest.fixture
def maps(tmp_path):
    return write_maps(tmp_path / "maps", COUNTS)


@pytest.fixture
def listed(tmp_path):
    return write_file(tmp_path / "listed", COUNTS)


@pytest.mark.parametrize("layout", (write_maps, write_file))
def test_each_layout_gives_the_objects_of_the_scenes(tmp_path, layout):
    data = open_instances(layout(tmp_path, COUNTS), 0)
    assert data.task == "instance" and data.class_names == NAMES
    assert data.channels == 3 and data.white_level == 255
    assert {name: len(split.sizes) for name, split in data.splits.items()} == COUNTS
    split = data.split("val")
    assert split.names == ["0.png", "1.png"] and split.sizes == [SIZE, SIZE]
    for index in range(2):
        image, objects = split.read(index)
        np.testing.assert_array_equal(image, scene(1, index)[0])
        assert_equal(objects, scene_objects(1, index))


@pytest.mark.parametrize("layout", (write_maps, write_file))
def test_detection_has_the_same_boxes_without_masks(tmp_path, layout):
    data = open_detections(layout(tmp_path, COUNTS), 0)
    found, expected = data.split("train").read(2).target, scene_objects(0, 2)
    assert data.task == "detection" and found.masks is None
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)


@pytest.mark.parametrize("layout", (write_maps, write_file))
def test_objects_can_be_opened_as_classes_of_pixels(tmp_path, layout):
    data = open_as_semantic(layout(tmp_path, COUNTS), 0)
    assert data.task == "semantic" and data.class_names == ("background", *NAMES)
    assert data.colors[:2] == ((0, 0, 0), (60, 242, 181))
    mask = data.split("val").read(1).target
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, to_semantic(scene_objects(1, 1), SIZE))
    assert data.split("val").names == ["0.png", "1.png"]
    assert len(data.fingerprint) == 16


def test_objects_of_a_class_background_are_no_classes_of_pixels(listed):
    def change(content):
        content["categories"][2]["name"] = "background"

    for split in ("train", "val"):
        change_file(listed / split / "objects.json", change)
    assert "background" in open_instances(listed, 0).class_names
    with pytest.raises(InputError, match="objects have a class background"):
        open_as_semantic(listed, 0)


def test_boxes_alone_are_read_as_they_are_listed(tmp_path):
    folder = write_file(tmp_path, COUNTS, outlines=False)

    def shift(content):
        content["annotations"][0]["bbox"][0] += 0.5

    change_file(folder / "train" / "objects.json", shift)
    boxes = open_detections(folder, 0).split("train").read(0).target.boxes
    expected = scene_objects(0, 0).boxes
    assert boxes[0, 0] == expected[0, 0] + 0.5
    np.testing.assert_array_equal(boxes[1:], expected[1:])
    for opener in (open_instances, open_as_semantic):
        with pytest.raises(InputError) as caught:
            opener(folder, 0)
        assert str(caught.value) == (
            f"{folder}: boxes only; use --task detection, or outline the objects"
        )


def test_single_objects_without_outline_are_counted(listed):
    def change(content):
        del content["annotations"][1]["segmentation"]

    path = listed / "val" / "objects.json"
    change_file(path, change)
    words = r"val.objects.json: 1 of \d+ objects have no outline, the first in 0.png"
    with pytest.raises(InputError, match=words):
        open_instances(listed, 0)
    assert open_detections(listed, 0).task == "detection"


# --- the form of the nuclei: maps alone, no classes.json ---


def test_maps_alone_are_one_class(tmp_path):
    folder = write_maps(tmp_path, COUNTS, masks=False)
    data = open_instances(folder, 0)
    assert data.class_names == ("object",) and data.colors == ((60, 242, 181),)
    found, expected = data.split("train").read(1).target, scene_objects(0, 1)
    assert set(found.class_ids.tolist()) == {0}
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    assert open_as_semantic(folder, 0).class_names == ("background", "object")
    declare(folder, ["nucleus"])
    assert open_instances(folder, 0).class_names == ("nucleus",)
    declare(folder, ["a", "b"])
    words = "train: instances/ alone is one class of objects, but there are 2; add"
    with pytest.raises(InputError, match=words):
        open_instances(folder, 0)


def test_classes_of_masks_without_a_list_have_numbers(maps):
    (maps / "classes.json").unlink()
    data = open_instances(maps, 0)
    present = {
        class_id
        for seed, count in enumerate(COUNTS.values())
        for index in range(count)
        for class_id in scene_objects(seed, index).class_ids.tolist()
    }
    count = max(present) + 1
    assert data.class_names == tuple(f"class {n}" for n in range(1, count + 1))
    assert_equal(data.split("val").read(0).target, scene_objects(1, 0))


def test_grey_images_stay_grey(tmp_path):
    folder = write_maps(tmp_path, COUNTS, masks=False)
    for path in folder.glob("*/images/*"):
        save(path, np.full(SIZE, 4000, np.uint16))
    data = open_instances(folder, 0)
    assert data.channels == 1 and data.white_level == 4095
    image = data.split("train").read(0).image
    assert image.shape == (*SIZE, 1) and image[0, 0, 0] == round(4000 / 4095 * 255)


# --- splits and classes ---


def test_a_folder_without_val_is_divided(listed, tmp_path, caplog):
    shutil.rmtree(listed / "val")
    with caplog.at_level(logging.INFO):
        data = open_instances(listed, 0)
    assert {name: len(split.sizes) for name, split in data.splits.items()} == {
        "train": 2,
        "val": 1,
    }
    assert "no val split; 1 of 3 images" in caplog.text
    (listed / "train").rename(tmp_path / "plain")
    names = [
        split.names for split in open_instances(tmp_path / "plain", 0).splits.values()
    ]
    assert names == [split.names for split in data.splits.values()]


def test_categories_are_matched_by_name(listed):
    """val lists the categories in another order, with other ids."""

    def change(content):
        for entry in (*content["categories"], *content["annotations"]):
            key = "category_id" if "category_id" in entry else "id"
            entry[key] = f"id {entry[key]}"
        content["categories"].reverse()

    change_file(listed / "val" / "objects.json", change)
    data = open_instances(listed, 0)
    assert data.class_names == NAMES
    assert_equal(data.split("val").read(0).target, scene_objects(1, 0))


def test_classes_json_gives_the_order_and_colours(listed):
    declare(listed, [*reversed(NAMES), "more"])
    data = open_instances(listed, 0)
    assert data.class_names == (*reversed(NAMES), "more")
    found = data.split("val").read(0).target.class_ids
    assert found.tolist() == (4 - scene_objects(1, 0).class_ids).tolist()
    declare(listed, NAMES[1:])
    words = "objects.json: category 'disc' is not in classes.json; add it there"
    with pytest.raises(InputError, match=words):
        open_instances(listed, 0)


def test_file_names_may_have_folders_and_other_suffixes(listed):
    def change(content):
        content["images"][0]["file_name"] = "C:\\export\\0.jpg"

    change_file(listed / "train" / "objects.json", change)
    found = open_instances(listed, 0).split("train")
    assert found.names == ["0.png", "1.png", "2.png"]
    assert_equal(found.read(0).target, scene_objects(0, 0))


def test_the_fingerprint_depends_on_the_labels(listed, maps):
    before = open_instances(listed, 0).fingerprint
    assert open_instances(listed, 0).fingerprint == before

    def change(content):
        content["annotations"].pop()

    change_file(listed / "val" / "objects.json", change)
    assert open_instances(listed, 0).fingerprint != before
    split = open_instances(maps, 0).split("val")
    assert [path.parent.name for path in split.files] == [
        *("images", "images", "instances", "masks", "instances", "masks")
    ]


# --- damaged folders ---


def unlisted(folder):
    save(folder / "val" / "images" / "new.png", np.zeros((9, 9), np.uint8))


def no_images(folder):
    shutil.rmtree(folder / "val" / "images")


def no_file(folder):
    (folder / "val" / "objects.json").unlink()


def both(folder):
    (folder / "val" / "instances").mkdir()


def damaged(folder):
    (folder / "val" / "objects.json").write_text('{"images": 1', encoding="utf-8")


def other_size(folder):
    save(folder / "val" / "images" / "0.png", np.zeros((48, 65, 3), np.uint8))


def truncated(folder):
    path = folder / "val" / "images" / "0.png"
    path.write_bytes(path.read_bytes()[:-20])


def wrong_classes(folder):
    (folder / "classes.json").write_text('{"classes": []}', encoding="utf-8")


def two_stems(folder):
    shutil.copy(folder / "val/images/0.png", folder / "val/images/0.tif")


def listed_twice(folder):
    def change(content):
        content["images"][1]["file_name"] = "other/0.png"

    change_file(folder / "val" / "objects.json", change)


def many_categories(folder):
    def change(content):
        more = [{"id": 100 + n, "name": f"more {n}"} for n in range(250)]
        content["categories"] += more

    change_file(folder / "val" / "objects.json", change)


def endless_classes(folder):
    (folder / "classes.json").write_text("[" * 100_000, encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    (
        (many_categories, "255 classes of objects; at most 254"),
        (endless_classes, "classes.json: invalid"),
        (unlisted, "new.png: is not listed in .*objects.json; add it or remove"),
        (no_images, "val: folder 'images' is missing"),
        (no_file, "val: has neither objects.json nor instances/; add one"),
        (both, "val: has both objects.json and instances/; remove one"),
        (damaged, "val.objects.json: not valid JSON"),
        (other_size, "0.png: the image is 48x65, but objects.json has it as 48x64"),
        (truncated, "0.png: the file is truncated"),
        (wrong_classes, "classes.json: 0 classes"),
        (two_stems, "images: 2 files have the stem 0; keep one"),
        (listed_twice, "objects.json: two images have the stem 0; rename one"),
    ),
)
def test_damaged_folders_with_a_file(listed, damage, words):
    damage(listed)
    with pytest.raises(InputError, match=words) as caught:
        open_instances(listed, 0)
    assert "\n" not in str(caught.value)


def no_map(folder):
    (folder / "val/instances/1.png").unlink()


def no_mask(folder):
    (folder / "val/masks/1.png").unlink()


def broken_map(folder):
    (folder / "val/instances/1.png").write_bytes(b"no image")


def two_classes(folder):
    for path in (folder / "val" / "masks").iterdir():
        mask = to_semantic(scene_objects(1, int(path.stem)), SIZE)
        mask[:, ::2][mask[:, ::2] > 0] = 1
        mask[:, 1::2][mask[:, 1::2] > 0] = 2
        save(path, mask)


@pytest.mark.parametrize(
    ("damage", "words"),
    (
        (no_map, "images.1.png: has no .*instances.1.png; add it or remove"),
        (no_mask, "images.1.png: has no .*masks.1.png; add it or remove"),
        (broken_map, "instances.1.png: not a readable image"),
        (two_classes, r"masks.0.png: object \d has the ids [12] \(\d+%\) and [12]"),
    ),
)
def test_damaged_folders_with_maps(maps, damage, words):
    damage(maps)
    with pytest.raises(InputError, match=words):
        open_instances(maps, 0)


def test_labels_without_an_image_are_ignored(listed, maps):
    (listed / "train/images/1.png").unlink()
    (maps / "train/images/1.png").unlink()
    for folder in (listed, maps):
        split = open_instances(folder, 0).split("train")
        assert split.names == ["0.png", "2.png"]
        assert_equal(split.read(1).target, scene_objects(0, 2))


def test_folders_without_objects(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such data folder"):
        open_instances(tmp_path / "nowhere", 0)
    with pytest.raises(InputError, match="no objects found; expected .*instances/NAME"):
        open_instances(tmp_path, 0)
    save(tmp_path / "train/images/a.png", np.zeros(SIZE, np.uint8))
    save(tmp_path / "train/masks/a.png", np.zeros(SIZE, np.uint8))
    with pytest.raises(InputError, match="masks of classes only; use --task semantic"):
        open_detections(tmp_path, 0)
    shutil.rmtree(tmp_path / "train" / "images")
    (tmp_path / "train/objects.json").write_text(
        json.dumps({"images": [], "annotations": [], "categories": []}),
        encoding="utf-8",
    )
    (tmp_path / "train/images").mkdir()
    with pytest.raises(InputError, match="no training images found; expected"):
        open_detections(tmp_path, 0)

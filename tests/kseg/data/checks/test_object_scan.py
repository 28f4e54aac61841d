import shutil

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.data.checks.object_scan import count_equal_boxes, object_facts, scan_objects
from kseg.data.sample import Objects
from tests.support.object_folders import (
    NAMES,
    SIZE,
    assert_equal,
    save,
    scene,
    scene_objects,
    write_file,
    write_maps,
)

COUNTS = {"train": 3, "val": 2}


@pytest.mark.parametrize("layout", (write_maps, write_file))
def test_valid_folder(tmp_path, layout):
    found = scan_objects(str(layout(tmp_path, COUNTS)), 0, "instance")
    assert not found.issues and found.task == "instance"
    assert found.class_names == NAMES and found.splits == ["train", "val"]
    pair = found.of("val")[1]
    assert pair.name == "val/images/1.png" and pair.image.kind == "8-bit RGB"
    image, objects = found.read(pair)
    np.testing.assert_array_equal(image, scene(1, 1)[0])
    assert_equal(objects, scene_objects(1, 1))
    counts = np.bincount(scene_objects(1, 1).class_ids, minlength=5)
    assert found.counts("val")[1].tolist() == counts.tolist()
    areas = [m.sum() for i in range(2) for m in scene_objects(1, i).masks]
    assert found.areas("val").tolist() == areas


def test_areas_of_boxes_and_crowds():
    """Boxes of 2 x 3 and 4 x 5 pixels; the second is a crowd."""
    boxes = np.float32([[0, 0, 2, 3], [1, 1, 5, 6]])
    facts = object_facts(Objects(boxes, np.int32([1, 0]), np.array([False, True])))
    assert facts.areas.tolist() == [6, 20] and facts.count == 1
    other = object_facts(Objects(boxes, np.int32([1, 1]), np.array([False, True])))
    assert facts.digest != other.digest


def test_nearly_equal_boxes_are_doubles():
    """100 of 104 pixels are over 0.95, 100 of 106 are not."""
    box, larger, largest = [0, 0, 10, 10], [0, 0, 10, 10.4], [0, 0, 10, 10.6]
    assert count_equal_boxes(np.float64([box, larger])) == 1
    assert count_equal_boxes(np.float64([box, largest])) == 0
    assert count_equal_boxes(np.float64([box, box, box])) == 3
    assert count_equal_boxes(np.zeros((0, 4))) == 0


def test_broken_files_are_collected(tmp_path):
    folder = write_maps(tmp_path, COUNTS)
    (folder / "train/images/0.png").write_bytes(b"x")
    (folder / "train/instances/1.png").write_bytes(b"x")
    save(folder / "val/masks/0.png", np.zeros(SIZE, np.uint8))
    save(folder / "val/instances/1.png", np.zeros((9, 9), np.uint8))
    (folder / "classes.json").write_text("{", encoding="utf-8")
    found = scan_objects(str(folder), 0, "instance")
    assert sorted((i.kind, i.split, i.name) for i in found.issues) == [
        ("classes", "", "classes.json"),
        ("object classes", "val", "val/images/0.png"),
        ("sizes", "val", "val/images/1.png"),
        ("unreadable image", "train", "train/images/0.png"),
        ("unreadable labels", "train", "train/images/1.png"),
    ]
    details = {issue.kind: issue.detail for issue in found.issues}
    assert details["sizes"].startswith("1.png: is 9x9, but its image is 48x64; export")
    image, objects = found.read(found.of("val")[0])
    assert image.shape == (*SIZE, 3) and len(objects.boxes) == 0


def test_detection_needs_no_outlines(tmp_path):
    folder = str(write_file(tmp_path, COUNTS, outlines=False))
    assert not scan_objects(folder, 0, "detection").issues
    found = scan_objects(folder, 0, "instance").issues
    assert [issue.kind for issue in found] == ["no outline"] * 5
    assert found[0].detail == f"{len(scene_objects(0, 0).boxes)} objects"


def test_a_folder_without_val_is_divided(tmp_path):
    folder = write_maps(tmp_path, COUNTS)
    shutil.rmtree(folder / "val")
    found = scan_objects(str(folder), 0, "instance")
    assert [len(found.of(split)) for split in ("train", "val")] == [2, 1]


def test_nothing_to_read(tmp_path):
    with pytest.raises(InputError, match="no objects found"):
        scan_objects(str(tmp_path), 0, "instance")
    folder = write_maps(tmp_path, {"train": 1})
    (folder / "train/images/0.png").unlink()
    with pytest.raises(InputError, match="no training images found"):
        scan_objects(str(folder), 0, "instance")

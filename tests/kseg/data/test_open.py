import json
import os
import shutil

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.core import remembered
from kseg.data.checks.doctor import examine
from kseg.data.folder import is_data_folder, is_split_by_seed
from kseg.data.object_folder import ObjectSplit, SemanticSplit
from kseg.data.open import open_data, reject_export, task_of, task_of_data
from tests.support.object_folders import declare, save, write_file, write_maps

COUNTS = {"train": 1, "val": 1}
LONG_AGO = 1_500_000_000_123_456_789  # nanoseconds since 1970


def masks_only(folder, counts):
    write_maps(folder, counts)
    for split in counts:
        shutil.rmtree(folder / split / "instances")
    (folder / "classes.json").unlink()
    return folder


def boxes_only(folder, counts):
    return write_file(folder, counts, outlines=False)


@pytest.mark.parametrize(
    ("layout", "task"),
    (
        (write_maps, "instance"),
        (write_file, "instance"),
        (boxes_only, "detection"),
        (masks_only, "semantic"),
    ),
)
def test_the_files_tell_the_task(tmp_path, layout, task):
    folder = layout(tmp_path, COUNTS)
    (folder / "classes.json").unlink(missing_ok=True)
    assert task_of(folder) == task
    assert open_data(str(folder)).task == task
    assert is_data_folder(folder)
    reject_export(folder)


def test_classes_json_decides_and_the_option_overrides(tmp_path):
    folder = write_file(tmp_path, COUNTS)
    names = ["disc", "square", "triangle", "ring", "cross"]
    declare(folder, names, task="detection")
    assert task_of(folder) == "detection"
    assert open_data(str(folder)).task == "detection"
    for task in ("instance", "detection", "semantic"):
        assert open_data(str(folder), task=task).task == task
    declare(folder, names, task="depth")
    with pytest.raises(InputError, match="classes.json: unknown task 'depth'; known"):
        open_data(str(folder))
    for read in (task_of_data, lambda name: examine(name, 0)):
        with pytest.raises(InputError, match="classes.json: unknown task 'depth'"):
            read(str(folder))
    with pytest.raises(InputError, match="--task: unknown task 'depth'; known are sem"):
        open_data(str(folder), task="depth")


@pytest.mark.parametrize(
    ("segmentation", "task"),
    (
        ([[1, 1, 5, 1, 3, 4]], "instance"),
        ([1, 1, 5, 1, 3, 4], "instance"),
        ({"size": [48, 64], "counts": "x"}, "instance"),
        ([], "detection"),
        ([[]], "detection"),
        (None, "detection"),
    ),
)
def test_outlines_are_recognized_in_every_form(tmp_path, segmentation, task):
    save(tmp_path / "train/images/a.png", np.zeros((4, 4), np.uint8))
    content = {"annotations": [{"segmentation": segmentation}]}
    for indent in (None, 2):
        text = json.dumps(content, indent=indent)
        (tmp_path / "train/objects.json").write_text(text, encoding="utf-8")
        assert task_of(tmp_path) == task


def test_a_folder_that_cannot_give_the_task_says_what_it_has(tmp_path):
    masks = str(masks_only(tmp_path / "masks", COUNTS))
    with pytest.raises(InputError, match=f"{masks}: masks of classes only; use"):
        open_data(masks, task="instance")
    boxes = str(boxes_only(tmp_path / "boxes", COUNTS))
    for task in ("instance", "semantic"):
        with pytest.raises(InputError, match="boxes only; use --task detection, or"):
            open_data(boxes, task=task)


def test_masks_beside_maps_are_those_of_the_semantic_task(tmp_path):
    """Unless classes.json is of objects: it lists no background."""
    folder = write_maps(tmp_path, COUNTS)
    objects = open_data(str(folder), task="semantic")
    assert isinstance(objects.split("val"), SemanticSplit)
    (folder / "classes.json").unlink()
    masks = open_data(str(folder), task="semantic")
    assert not isinstance(masks.split("val"), SemanticSplit)
    np.testing.assert_array_equal(
        masks.split("val").read(0).target, objects.split("val").read(0).target
    )
    assert isinstance(open_data(str(folder)).split("val"), ObjectSplit)


def test_exports_are_refused(tmp_path):
    save(tmp_path / "images/a.png", np.zeros((4, 4), np.uint8))
    content = {"images": [], "annotations": [], "categories": []}
    (tmp_path / "instances_default.json").write_text(
        json.dumps(content), encoding="utf-8"
    )
    with pytest.raises(InputError, match="export in another format .coco.; convert"):
        open_data(str(tmp_path))


# --- splits ---


@pytest.mark.parametrize("layout", [write_maps, write_file, boxes_only, masks_only])
def test_a_folder_may_hold_one_split_alone(tmp_path, layout):
    folder = layout(tmp_path, {"test": 2})
    data = open_data(str(folder))
    assert [*data.splits] == ["test"] and len(data.split("test").sizes) == 2
    assert data.split("test").read(1).image.shape[2] == 3
    with pytest.raises(
        InputError, match="no split 'train'; the only split is test; add"
    ):
        data.split("train")
    with pytest.raises(InputError, match="no split 'val'; the only split is test$"):
        data.split("val")


def test_an_empty_val_split_is_not_called_missing(tmp_path, caplog):
    folder = masks_only(tmp_path, {"train": 5})
    for kind in ("images", "masks"):
        (folder / "val" / kind).mkdir(parents=True)
    assert len(open_data(str(folder)).split("val").sizes) == 1
    assert "its val split is empty; 1 of 5 images are used" in caplog.text
    assert is_split_by_seed(folder)


def test_folders_beside_the_splits_are_named(tmp_path, caplog):
    """valid/ is not val/: validation images would come from train, unsaid."""
    folder = masks_only(tmp_path, {"train": 5, "valid": 1})
    data = open_data(str(folder))
    assert [*data.splits] == ["train", "val"]
    line = f"{folder / 'valid'}: is not read; the splits are train, val, test"
    assert line in caplog.text
    _, found = examine(str(folder), 0)
    assert any("valid" in issue.examples for issue in found.issues)


# --- files that are read once ---


@pytest.fixture
def read_again(tmp_path, monkeypatch):
    """The numbers of files that each check had to read."""
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path / "cache"))
    counts, real = [], remembered.in_order

    def counted(function, items):
        counts.append(len(items))
        return real(function, items)

    monkeypatch.setattr(remembered, "in_order", counted)
    return counts


@pytest.mark.parametrize("layout", [write_maps, write_file, boxes_only, masks_only])
@pytest.mark.parametrize("read", [open_data, lambda name: examine(name, 0)])
def test_files_are_read_once(tmp_path, read_again, layout, read):
    folder = layout(tmp_path / "data", {"train": 3, "val": 2})
    for path in folder.rglob("*.*"):
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    first = read(str(folder))
    again = read(str(folder))
    assert read_again == [5, 0]
    if isinstance(first, tuple):
        assert again[1].figures == first[1].figures
        return
    assert again.class_names == first.class_names
    assert again.split("val").sizes == first.split("val").sizes
    assert again.fingerprint == open_data(str(folder)).fingerprint == first.fingerprint


def test_a_changed_mask_is_checked_again(tmp_path, read_again):
    folder = masks_only(tmp_path / "data", {"train": 3, "val": 2})
    for path in folder.rglob("*.*"):
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    open_data(str(folder))
    (folder / "train/masks/1.png").write_bytes(b"no image")
    os.utime(folder / "train/masks/1.png", ns=(LONG_AGO, LONG_AGO))
    with pytest.raises(InputError, match="1.png: not a readable image"):
        open_data(str(folder))
    assert read_again == [5, 1]


def test_other_classes_are_checked_anew(tmp_path, read_again):
    """An id that was valid may be outside the classes now."""
    folder = masks_only(tmp_path / "data", {"train": 3, "val": 2})
    for path in folder.rglob("*.*"):
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    declare(folder, ["ground", *"abcde"])
    open_data(str(folder))
    declare(folder, ["ground", "a"])
    with pytest.raises(InputError, match="is outside the 2 classes"):
        open_data(str(folder))
    assert read_again == [5, 5]

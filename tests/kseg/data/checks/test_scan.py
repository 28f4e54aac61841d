import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from edge.video import scenes
from kseg.data.checks.scan import scan
from kseg.data.masks import INVALID

SIZE = (40, 56)
NAMES = scenes.CLASSES


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def declare(folder: Path) -> None:
    listed = zip(scenes.CLASSES, scenes.COLORS, strict=True)
    classes = [{"name": name, "color": color} for name, color in listed]
    (folder / "classes.json").write_text(
        json.dumps({"classes": classes}), encoding="utf-8"
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three training and two validation pairs without issues."""
    for seed, (split, count) in enumerate((("train", 3), ("val", 2))):
        for index in range(count):
            image, mask = scenes.scene(seed, index, SIZE)
            save(tmp_path / split / "images" / f"{index}.png", image)
            save(tmp_path / split / "masks" / f"{index}.png", mask)
    declare(tmp_path)
    return tmp_path


def issues(folder: Path) -> list[tuple[str, str, str]]:
    return sorted(issue[:3] for issue in scan(str(folder), 0).issues)


def test_valid_folder(folder):
    found = scan(str(folder), 0)
    assert not found.issues
    assert found.class_names == NAMES
    assert found.splits == ["train", "val"]
    assert [pair.name for pair in found.of("val")] == [
        "val/images/0.png",
        "val/images/1.png",
    ]
    pair = found.of("train")[1]
    image, mask = scenes.scene(0, 1, SIZE)
    assert pair.image.size == SIZE
    assert pair.image.kind == "8-bit RGB"
    expected = np.bincount(mask.ravel(), minlength=6)
    assert found.counts("train")[1].tolist() == [*expected, 0]
    for shown, known in zip(found.read(pair), (image, mask), strict=True):
        np.testing.assert_array_equal(shown, known)


def no_mask(folder):
    (folder / "train/masks/1.png").unlink()


def no_image(folder):
    (folder / "train/images/1.png").unlink()


def no_folder(folder):
    for path in (folder / "val/masks").iterdir():
        path.unlink()
    (folder / "val/masks").rmdir()


def truncated_image(folder):
    path = folder / "train/images/1.png"
    path.write_bytes(path.read_bytes()[:-200])


def empty_image(folder):
    (folder / "train/images/1.png").write_bytes(b"")


def truncated_mask(folder):
    path = folder / "train/masks/1.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def same_stem(folder):
    save(folder / "train/images/1.bmp", np.zeros((*SIZE, 3), np.uint8))


def not_read(folder):
    (folder / "train/images/1.heic").write_bytes(b"")


def lossy_mask(folder):
    (folder / "train/masks/1.png").unlink()
    save(folder / "train/masks/1.jpg", np.zeros(SIZE, np.uint8))


def other_size(folder):
    save(folder / "train/masks/1.png", np.zeros((40, 55), np.uint8))


def wrong_id(folder):
    save(folder / "train/masks/1.png", np.full(SIZE, 6, np.uint8))


def deep_id(folder):
    save(folder / "train/masks/1.png", np.full(SIZE, 400, np.uint16))


def wrong_color(folder):
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[3, 4] = 1, 2, 3
    save(folder / "train/masks/1.png", mask)


def broken_classes(folder):
    (folder / "classes.json").write_text("{", encoding="utf-8")


IMAGE, MASK = "train/images/1.png", "train/masks/1.png"
BROKEN = (
    (no_mask, [("no mask", "train", IMAGE)]),
    (no_image, [("no image", "train", MASK)]),
    (truncated_image, [("unreadable image", "train", IMAGE)]),
    (empty_image, [("unreadable image", "train", IMAGE)]),
    (truncated_mask, [("unreadable mask", "train", MASK)]),
    (same_stem, [("same stem", "train", IMAGE)]),
    (not_read, [("not read", "train", "train/images/1.heic")]),
    (lossy_mask, [("lossy mask", "train", "train/masks/1.jpg")]),
    (other_size, [("sizes", "train", MASK)]),
    (wrong_id, [("ids", "train", MASK)]),
    (deep_id, [("ids", "train", MASK)]),
    (wrong_color, [("colors", "train", MASK)]),
    (broken_classes, [("classes", "", "classes.json")]),
    (
        no_folder,
        [
            ("missing folder", "val", "val/masks"),
            ("no mask", "val", "val/images/0.png"),
            ("no mask", "val", "val/images/1.png"),
        ],
    ),
)


@pytest.mark.parametrize(
    "break_folder, expected",
    BROKEN,
    ids=[break_folder.__name__ for break_folder, _ in BROKEN],
)
def test_each_issue_is_found_and_no_other(folder, break_folder, expected):
    break_folder(folder)
    if break_folder is same_stem:  # the first file by name is used
        expected = [("same stem", "train", "train/images/1.png")]
    assert issues(folder) == expected


def test_all_issues_are_found(folder):
    """`open_folder` stops at the first error; a scan finds all six issues."""
    wrong_id(folder)
    (folder / "train/masks/0.png").unlink()
    (folder / "val/images/0.png").unlink()
    path = folder / "train/images/2.png"
    path.write_bytes(path.read_bytes()[:-200])
    save(folder / "val/masks/1.png", np.zeros((4, 4), np.uint8))
    not_read(folder)
    kinds = ["ids", "no image", "no mask", "not read", "sizes", "unreadable image"]
    assert [issue[0] for issue in issues(folder)] == kinds


def test_details_of_issues(folder):
    wrong_id(folder)
    save(folder / "val/masks/1.png", np.zeros((4, 5), np.uint8))
    details = {issue.kind: issue.detail for issue in scan(str(folder), 0).issues}
    assert details["ids"] == "id 6 in 100.00% of the pixels"
    assert details["sizes"] == "4x5, its image 40x56"


def test_ids_outside_the_classes_are_not_counted(folder):
    mask = np.zeros(SIZE, np.uint8)
    mask[:10], mask[10:12] = 6, 255
    save(folder / MASK, mask)
    found = scan(str(folder), 0)
    assert found.counts("train")[1].tolist() == [28 * 56, 0, 0, 0, 0, 0, 2 * 56]
    _, ids = found.read(found.of("train")[1])
    assert (ids[:10] == INVALID).all() and (ids[10:12] == 255).all()


def test_binary_without_classes_json(folder):
    (folder / "classes.json").unlink()
    for path in folder.glob("*/masks/*.png"):
        save(path, np.repeat(np.array([0, 255], np.uint8), 28)[None].repeat(40, 0))
    found = scan(str(folder), 0)
    assert found.class_names == ("background", "foreground")
    assert found.counts("val").tolist() == [[40 * 28, 40 * 28, 0]] * 2


@pytest.mark.parametrize(
    "array, kind",
    (
        (np.zeros(SIZE, np.uint8), "8-bit grey"),
        (np.zeros(SIZE, np.uint16), "16-bit grey"),
        (np.zeros((*SIZE, 4), np.uint8), "8-bit RGB with alpha"),
    ),
)
def test_kinds_of_image(folder, array, kind):
    save(folder / IMAGE, array)
    assert scan(str(folder), 0).of("train")[1].image.kind == kind


def test_without_splits(tmp_path):
    for index in range(10):
        image, mask = scenes.scene(0, index, SIZE)
        save(tmp_path / "images" / f"{index}.png", image)
        save(tmp_path / "masks" / f"{index}.png", mask)
    found = scan(str(tmp_path), 0)
    assert [len(found.of(split)) for split in ("train", "val")] == [8, 2]
    assert found.of("val")[0].name.startswith("images/")


def test_folders_without_images(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            scan(str(path), 0)


def test_error_for_an_export_names_the_command(tmp_path):
    """A Pascal VOC export."""
    save(tmp_path / "SegmentationClass/0.png", np.zeros(SIZE, np.uint8))
    save(tmp_path / "JPEGImages/0.jpg", np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(InputError, match="kseg prepare"):
        scan(str(tmp_path), 0)


def test_shapes():
    found = scan("shapes", 0)
    assert [len(found.of(split)) for split in found.splits] == [800, 100, 100]
    assert found.of("val")[3].name == "val/scene 3"
    image, mask = scenes.scene(1, 3)
    assert (
        found.counts("val")[3, :6].tolist()
        == np.bincount(mask.ravel(), minlength=6).tolist()
    )
    np.testing.assert_array_equal(found.read(found.of("val")[3])[0], image)

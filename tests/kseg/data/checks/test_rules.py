"""The rules, applied to folders of scenes with one issue each."""

import json
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.video import scenes
from kseg.data.checks.issues import SEVERITIES, DataIssue
from kseg.data.checks.quick import quick_issues
from kseg.data.checks.rules import FILE_ISSUES, diagnose
from kseg.data.checks.scan import scan
from kseg.data.open import open_data

SIZE = (48, 64)
COUNTS = {"train": 12, "val": 10}


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> Path:
    """A folder without issues, which tests copy."""
    folder = tmp_path_factory.mktemp("valid")
    for seed, (split, count) in enumerate(COUNTS.items()):
        for index in range(count):
            image, mask = scenes.scene(seed, index, SIZE)
            save(folder / split / "images" / f"{index}.png", image)
            save(folder / split / "masks" / f"{index}.png", mask)
    listed = zip(scenes.CLASSES, scenes.COLORS, strict=True)
    classes = [{"name": name, "color": color} for name, color in listed]
    (folder / "classes.json").write_text(
        json.dumps({"classes": classes}), encoding="utf-8"
    )
    return folder


@pytest.fixture
def folder(valid, tmp_path) -> Path:
    shutil.copytree(valid, tmp_path / "data")
    return tmp_path / "data"


def found_in(folder: Path) -> list[DataIssue]:
    return diagnose(scan(str(folder), 0))


def test_masks_of_other_names_alone(folder):
    """No pair is left to count."""
    (folder / "classes.json").unlink()
    for mask in folder.glob("*/masks/*.png"):
        mask.rename(mask.with_name(f"{mask.stem}_mask.png"))
    kinds = {issue.kind for issue in found_in(folder)}
    assert {"no mask", "no image", "few images"} <= kinds


def one(folder: Path, kind: str, split: str) -> DataIssue:
    """The only issue of this kind and split."""
    (issue,) = (f for f in found_in(folder) if (f.kind, f.split) == (kind, split))
    return issue


def mask_of(folder: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(folder / name))


def copy_pair(folder: Path, source: str, target: str) -> None:
    """train/3 -> val/99, image and mask."""
    for kind in ("images", "masks"):
        (from_split, a), (to_split, b) = source.split("/"), target.split("/")
        path = folder / from_split / kind / f"{a}.png"
        shutil.copy(path, folder / to_split / kind / f"{b}.png")


def test_valid_folder_has_no_issues(valid):
    assert found_in(valid) == []


# --- files ---


def test_file_issues(folder):
    for name in ("2", "5"):
        (folder / "train/masks" / f"{name}.png").unlink()
    (folder / "val/images/4.png").unlink()
    issue = one(folder, "no mask", "train")
    assert (issue.severity, issue.count) == ("error", 2)
    assert list(issue.examples) == ["train/images/2.png", "train/images/5.png"]
    assert one(folder, "no image", "val").severity == "warning"
    order = [SEVERITIES.index(f.severity) for f in found_in(folder)]
    assert order == sorted(order)


def test_issues_of_masks_have_the_index_of_the_image(folder):
    save(folder / "val/masks/4.png", np.full(SIZE, 6, np.uint8))
    found = scan(str(folder), 0)
    (issue,) = (f for f in diagnose(found) if f.kind == "ids")
    assert [found.pairs[p].name for p in issue.indices] == ["val/images/4.png"]
    assert issue.examples == ("val/masks/4.png (id 6 in 100.00% of the pixels)",)


def test_every_file_issue_has_a_severity():
    assert {severity for severity, _ in FILE_ISSUES.values()} <= set(SEVERITIES)


def test_too_few_images(folder):
    for index in (0, 1, 2):
        for kind in ("images", "masks"):
            (folder / "val" / kind / f"{index}.png").unlink()
    issue = one(folder, "few images", "val")
    assert (issue.severity, issue.count) == ("warning", 7)


@pytest.mark.parametrize("split", ("val", "test"))
def test_a_folder_without_train(folder, split):
    """One error, about train/; val/ need not be there either."""
    shutil.rmtree(folder / "train")
    (folder / "val").rename(folder / split)
    errors = [issue for issue in diagnose(scan(str(folder), 0)) if issue.count == 0]
    assert [issue.text for issue in errors] == [
        f"no folder train/, so nothing to train on; {split} can be evaluated and "
        "predicted"
    ]


# --- labels ---


def test_absent_class_is_an_error_in_train_and_a_warning_in_val(folder):
    for split, gone in (("train", 4), ("val", 5)):
        for path in (folder / split / "masks").iterdir():
            mask = mask_of(folder, str(path))
            save(path, np.where(mask == gone, 0, mask).astype(np.uint8))
    train, val = (one(folder, "absent class", split) for split in COUNTS)
    assert (train.severity, train.examples) == ("error", ("ring",))
    assert (val.severity, val.examples) == ("warning", ("cross",))


def test_rare_class(folder):
    """Ring remains in two images."""
    for index in range(2, 12):
        mask = mask_of(folder, path := f"train/masks/{index}.png")
        save(folder / path, np.where(mask == 4, 0, mask).astype(np.uint8))
    for index in range(2):
        mask = mask_of(folder, path := f"train/masks/{index}.png").copy()
        mask[:5, :6] = 4
        save(folder / path, mask)
    issue = one(folder, "rare class", "train")
    assert issue.severity == "warning"
    assert [text.partition(",")[0] for text in issue.examples] == ["ring (2 images"]


def test_void(folder):
    """Of ten images one is half void, and one 98 %."""
    for name, rows in (("3", 24), ("7", 47)):
        mask = mask_of(folder, path := f"val/masks/{name}.png").copy()
        mask[:rows] = 255
        save(folder / path, mask)
    issue = one(folder, "void", "val")
    assert (issue.severity, issue.count) == ("note", 2)
    assert f"{(24 + 47) / 480:.2%}" in issue.text
    assert issue.examples == ("val/images/7.png", "val/images/3.png")
    mostly = one(folder, "mostly void", "val")
    assert mostly.examples == ("val/images/7.png",)


@pytest.mark.parametrize("ids, severity", ((255, "error"), (0, None)))
def test_split_that_is_all_void(folder, ids, severity):
    for path in (folder / "train/masks").iterdir():
        save(path, np.full(SIZE, ids, np.uint8))
    voids = [f.severity for f in found_in(folder) if f.kind == "void"]
    assert voids == ([severity] if severity else [])


@pytest.mark.parametrize("count, severity", ((2, "note"), (6, "warning")))
def test_masks_of_background_only(folder, count, severity):
    for index in range(count):
        mask = np.zeros(SIZE, np.uint8)
        mask[0, :3] = 1  # 3 of 3072 pixels: nearly empty
        save(folder / f"val/masks/{index}.png", mask)
    issue = one(folder, "one class", "val")
    assert (issue.severity, issue.count) == (severity, count)
    assert "background" in issue.text


# --- images ---


def test_small_images_and_several_sizes(folder):
    image, mask = scenes.scene(5, 0, (31, 64))
    save(folder / "val/images/3.png", image)
    save(folder / "val/masks/3.png", mask)
    assert one(folder, "small", "val").examples == ("val/images/3.png",)
    issue = one(folder, "several sizes", "val")
    assert issue.examples == ("48x64 (9)", "31x64 (1)")
    assert "from 1.33 to 2.06" in issue.text


def test_kinds_of_images(folder):
    for index in range(10):
        path = folder / f"val/images/{index}.png"
        save(path, cv2.cvtColor(mask_of(folder, str(path)), cv2.COLOR_RGB2GRAY))
    issue = one(folder, "kinds differ", "")
    assert issue.severity == "warning"
    assert issue.examples == ("train: 8-bit RGB", "val: 8-bit grey")


def test_images_of_one_colour(folder):
    for index, grey in ((0, 0), (1, 200)):
        save(folder / f"train/images/{index}.png", np.full((*SIZE, 3), grey, np.uint8))
    issue = one(folder, "flat", "")
    assert issue.examples == ("train/images/0.png", "train/images/1.png")
    assert not [f for f in found_in(folder) if "cop" in f.kind]


# --- copies ---


def test_leak_of_equal_pixels(folder):
    copy_pair(folder, "train/3", "val/99")
    issue = one(folder, "exact copy", "train/val")
    assert (issue.severity, issue.count) == ("error", 1)
    assert issue.examples == ("val/images/99.png = train/images/3.png",)


def test_leak_compressed_again(folder):
    copy_pair(folder, "train/3", "val/99")
    image = mask_of(folder, "val/images/99.png")
    (folder / "val/images/99.png").unlink()
    Image.fromarray(image[:, ::-1]).save(folder / "val/images/99.jpg", quality=80)
    mask = mask_of(folder, "val/masks/99.png")
    save(folder / "val/masks/99.png", np.ascontiguousarray(mask[:, ::-1]))
    issue = one(folder, "copy", "train/val")
    assert (issue.severity, issue.count) == ("error", 1)
    assert issue.examples == ("val/images/99.jpg = train/images/3.png",)


def test_copies_within_a_split_are_a_warning(folder):
    copy_pair(folder, "train/3", "train/98")
    copy_pair(folder, "train/3", "train/99")
    issue = one(folder, "exact copy", "train")
    assert (issue.severity, issue.count) == (
        "warning",
        2,
    )  # of three equal ones, one is the original


def test_frames_of_one_video_are_not_an_error(folder):
    """The scene of train/3 a moment later: a warning in val, a note in train."""
    for split, severity in (("val", "warning"), ("train", "note")):
        image, mask = scenes.scene(0, 3, SIZE, 2)
        save(folder / split / "images/99.png", image)
        save(folder / split / "masks/99.png", mask)
        where = "train/val" if split == "val" else "train"
        issue = one(folder, "similar", where)
        assert issue.severity == severity
        assert issue.examples[0].count("~") == 1
        (folder / split / "images/99.png").unlink()
        (folder / split / "masks/99.png").unlink()


def test_same_image_with_different_masks(folder):
    copy_pair(folder, "train/3", "train/99")
    mask = mask_of(folder, "train/masks/99.png").copy()
    mask[0, 0] = 5 - mask[0, 0]
    save(folder / "train/masks/99.png", mask)
    issue = one(folder, "masks differ", "")
    assert (issue.severity, issue.count) == ("warning", 1)
    assert issue.examples == ("train/images/3.png = train/images/99.png",)


def test_camvid(shared):
    """A video divided into train and val: frames are similar, but none is a leak."""
    folder = shared / "data" / "camvid"
    if not folder.is_dir():
        pytest.skip("needs data/camvid in the shared folder")
    found = {(f.kind, f.split): f for f in found_in(folder)}
    assert {kind for kind, _ in found} == {"void", "similar"}
    assert {f.severity for f in found.values()} == {"note"}
    assert found["similar", "train"].count == 40
    assert found["similar", "val"].count == 101


# --- before a training ---


def test_quick_issues_of_valid_data(valid):
    assert quick_issues(open_data(str(valid))) == []


def test_quick_issues(folder):
    for path in (folder / "train/masks").iterdir():
        mask = mask_of(folder, str(path))
        mask = np.where(mask == 4, 0, mask).astype(np.uint8)
        mask[:30] = 255
        save(path, mask)
    for kind in ("images", "masks"):
        (folder / "val" / kind / "0.png").unlink()
    found = {f.kind: f for f in quick_issues(open_data(str(folder)))}
    assert set(found) == {"absent class", "void", "few images"}
    assert found["absent class"].severity == "error"
    assert str(found["absent class"]).startswith("error: train: classes that no")
    assert str(found["absent class"]).endswith("(ring)")
    assert str(found["void"]).startswith(
        f"warning: train: {30 / 48:.0%} of the pixels of 12 masks"
    )


def test_quick_issues_are_limited_in_time():
    """No mask is read if there is no time; shapes has no files to open."""
    start = time.monotonic()
    (issue,) = quick_issues(open_data("shapes"), seconds=0)
    assert time.monotonic() - start < 2
    assert issue.severity == "warning"
    assert "not found in 0 of 800 images" in issue.text

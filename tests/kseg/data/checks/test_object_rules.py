"""The rules, applied to folders of objects with one issue each."""

import shutil

import pytest

from kseg.data.checks.issues import SEVERITIES
from kseg.data.checks.object_rules import OBJECT_ISSUES, diagnose_objects
from kseg.data.checks.object_scan import scan_objects
from kseg.data.checks.quick import quick_issues
from kseg.data.objects_file import LabelledImage, LabelledObject, write_objects
from kseg.data.open import open_data
from tests.support.object_folders import (
    change_file,
    declare,
    save,
    scene,
    write_file,
)

COUNTS = {"train": 12, "val": 10}


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """A folder without issues, which tests copy."""
    return write_file(tmp_path_factory.mktemp("valid"), COUNTS)


@pytest.fixture
def folder(valid, tmp_path):
    shutil.copytree(valid, tmp_path / "data")
    return tmp_path / "data"


def found_in(folder, task="instance"):
    return diagnose_objects(scan_objects(str(folder), 0, task))


def one(folder, kind, split, task="instance"):
    """The only issue of this kind and split."""
    (issue,) = (x for x in found_in(folder, task) if (x.kind, x.split) == (kind, split))
    return issue


def test_valid_folder_has_no_issues(valid):
    assert found_in(valid) == []


def edit(folder, change, split="train"):
    """Changes the first annotation of a split."""
    path = folder / split / "objects.json"
    change_file(path, lambda content: change(content["annotations"][0], content))


def unknown_image(each, content):
    each["image_id"] = 99


def unknown_category(each, content):
    each["category_id"] = 99


def no_width(each, content):
    each["bbox"][2] = 0


def outside(each, content):
    each["bbox"][0] = 64


def clipped(each, content):
    each["bbox"] = [60, 40, 9, 20]


def bad_outline(each, content):
    each["segmentation"] = [[1, 2, 3]]


def no_outline(each, content):
    del each["segmentation"]


def twice(each, content):
    content["annotations"].append({**each, "id": 999})


@pytest.mark.parametrize(
    ("change", "kind", "severity", "words"),
    (
        (unknown_image, "unknown image", "error", "annotation 1 is of image 99"),
        (unknown_category, "unknown category", "error", "annotation 1 has category 99"),
        (no_width, "boxes", "error", "annotation 1 has a box of width 0"),
        (outside, "outside", "error", "annotation 1 is wholly outside"),
        (clipped, "clipped", "note", "annotation 1"),
        (bad_outline, "outlines", "error", "polygon of 3 numbers"),
        (no_outline, "no outline", "error", "1 objects"),
        (twice, "repeated", "error", "annotation 999 repeats class, box"),
    ),
)
def test_annotations(folder, change, kind, severity, words):
    edit(folder, change)
    issue = one(folder, kind, "train")
    assert (issue.severity, issue.count) == (severity, 1)
    assert words in issue.examples[0]
    if change is not unknown_image:
        assert issue.examples[0].startswith("train/images/0.png (")
        assert issue.indices == (0,)


def damaged(folder):
    (folder / "val/objects.json").write_text("{", encoding="utf-8")


def both(folder):
    (folder / "val/instances").mkdir()


def unlisted(folder):
    save(folder / "val/images/new.png", scene(5, 0)[0])


def no_image(folder):
    (folder / "val/images/3.png").unlink()


def size(folder):
    save(folder / "val/images/3.png", scene(1, 3)[0][:40])


@pytest.mark.parametrize(
    ("damage", "kind", "severity"),
    (
        (damaged, "objects file", "error"),
        (both, "two labels", "error"),
        (unlisted, "no labels", "error"),
        (no_image, "no image", "warning"),
        (size, "sizes", "error"),
    ),
)
def test_files(folder, damage, kind, severity):
    damage(folder)
    issue = one(folder, kind, "val")
    assert (issue.severity, issue.count) == (severity, 1)
    assert issue.examples[0].startswith("val/")


def test_every_kind_has_a_severity():
    assert {severity for severity, _ in OBJECT_ISSUES.values()} == set(SEVERITIES)


@pytest.mark.parametrize(("width", "height", "small"), ((3, 5, 1), (4, 4, 0)))
def test_small_objects(folder, width, height, small):
    """3 x 5 = 15 pixels are too few, 4 x 4 = 16 are not."""

    def shrink(each, content):
        each["bbox"][2:] = width, height

    edit(folder, shrink)
    found = [x for x in found_in(folder, "detection") if x.kind == "small objects"]
    assert len(found) == small
    for issue in found:
        assert (issue.severity, issue.count, issue.indices) == ("warning", 1, (0,))
        assert "under 16 pixels, 1 in all" in issue.text


def grid(count):
    """So many objects of 4 x 4 pixels beside each other."""
    return tuple(
        LabelledObject(0, (x, y, x + 4.0, y + 4.0))
        for x, y in ((4.0 * (n % 12), 4.0 * (n // 12)) for n in range(count))
    )


def test_more_than_100_objects(folder):
    images = [
        LabelledImage(f"{index}.png", (48, 64), grid(n))
        for index, n in enumerate((100, 101, 120, *[5] * 7))
    ]
    write_objects(folder / "val/objects.json", ("disc",), images)
    issue = one(folder, "many objects", "val", "detection")
    assert issue.examples == ("val/images/1.png", "val/images/2.png")
    assert issue.severity == "note" and "at most 120" in issue.text


def test_equal_boxes_and_images_without_objects(folder):
    """0.png has a box twice in other classes; 1.png has none."""
    box = (4.0, 4.0, 24.0, 24.0)
    objects = (LabelledObject(0, box), LabelledObject(1, box), *grid(1))
    images = [LabelledImage("0.png", (48, 64), objects)]
    images += [LabelledImage(f"{n}.png", (48, 64), ()) for n in range(1, 10)]
    write_objects(folder / "val/objects.json", ("disc", "square"), images)
    issue = one(folder, "double boxes", "val", "detection")
    assert (issue.count, issue.severity) == (1, "warning")
    assert "more than 95%, 1 pairs" in issue.text
    empty = one(folder, "no objects", "val", "detection")
    assert (empty.count, empty.severity) == (9, "note")


def test_one_class_has_nearly_all_objects(folder):
    """96 of 100 objects are over 95 %, 95 of 100 are not."""
    for others, expected in ((4, ["disc (96.0%)"]), (5, [])):
        objects = [
            LabelledObject(int(n < others), each.box)
            for n, each in enumerate(grid(100))
        ]
        images = [LabelledImage("0.png", (48, 64), tuple(objects))]
        images += [LabelledImage(f"{n}.png", (48, 64), ()) for n in range(1, 10)]
        write_objects(folder / "val/objects.json", ("disc", "square"), images)
        found = [x for x in found_in(folder, "detection") if x.kind == "one class"]
        assert [name for x in found for name in x.examples] == expected


def test_absent_and_rare_classes(folder):
    names = ("disc", "square", "triangle", "ring", "cross")
    declare(folder, [*names, "star"])
    issue = one(folder, "absent class", "train")
    assert (issue.severity, issue.examples) == ("error", ("star",))

    def rename(each, content):
        content["categories"].append({"id": 77, "name": "star"})
        each["category_id"] = 77

    edit(folder, rename)
    issue = one(folder, "rare class", "train")
    assert issue.examples == ("star (1 images)",) and issue.severity == "warning"


def test_copies_are_found_in_objects_too(folder):
    for split in ("train", "val"):
        shutil.copy(folder / "train/images/3.png", folder / split / "images/4.png")
    assert one(folder, "exact copy", "train/val").severity == "error"
    assert one(folder, "masks differ", "").count == 1


# --- before a training ---


def test_quick_issues(folder):
    assert quick_issues(open_data(str(folder))) == []
    declare(folder, ["disc", "square", "triangle", "ring", "cross", "star"])
    for task in ("instance", "detection"):
        (issue,) = quick_issues(open_data(str(folder), task=task))
        assert str(issue).endswith("label some (star)")


def test_quick_issues_of_shapes():
    data = open_data("shapes", task="instance")
    assert quick_issues(data, seconds=10) == []
    (issue,) = quick_issues(data, seconds=0)
    assert "not found in 0 of 3200 images" in issue.text


def test_nuclei(shared):
    """One class in 16-bit maps: 86 images with 3,557 objects for validation."""
    folder = shared / "data" / "nuclei" / "val"
    if not folder.is_dir():
        pytest.skip("needs data/nuclei in the shared folder")
    found = scan_objects(str(folder), 0, "instance")
    assert not found.issues
    total = sum(found.counts(split).sum() for split in found.splits)
    assert len(found.pairs) == 86 and total == 3557

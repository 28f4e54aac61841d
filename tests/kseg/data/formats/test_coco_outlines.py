"""COCO's annotations as objects. Images are 6x8."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.kseg.data.formats.conftest import Found, read_objects

BIG = [1, 1, 7, 1, 7, 5, 1, 5]  # rows 1 to 4, columns 1 to 6: 24 pixels
SMALL = [2, 2, 4, 2, 4, 4, 2, 4]  # 4 pixels
CORNER = [6, 0, 8, 0, 8, 1, 6, 1]  # 2 pixels
RUNS = {"counts": [7, 2, 39], "size": [6, 8]}  # by columns: rows 1 and 2 of column 1
CATEGORIES = [{"id": 1, "name": "table"}, {"id": 7, "name": "cup"}]
TABLE = Found("table", (1, 1, 7, 5), 24, parts=1)
CUP = Found("cup", (2, 2, 4, 4), 4, parts=1)
INSTANCE = ("--task", "instance")


def annotation(segmentation, category=1, image=1, **more) -> dict:
    entry = {"id": 5, "image_id": image, "category_id": category, "iscrowd": 0}
    entry |= {"segmentation": segmentation} if segmentation is not None else {}
    return {**entry, **more}


def content(
    *annotations, images=("a.jpg",), categories=CATEGORIES, size=(6, 8)
) -> dict:
    entries = [
        {"id": number, "file_name": name, "height": size[0], "width": size[1]}
        for number, name in enumerate(images, start=1)
    ]
    lists = {"images": entries, "annotations": [*annotations]}
    return {**lists, "categories": [*categories]}


@pytest.fixture
def coco(source, save, write):
    """Writes the annotations of the images a and b; a new val split has one of them."""
    for stem in "ab":
        save(source / f"images/{stem}.jpg")

    def coco(*annotations, **more):
        given = content(*annotations, **{"images": ("a.jpg", "b.jpg")} | more)
        return write(source / "annotations/instances_default.json", given)

    return coco


def test_every_object_is_kept_as_it_is(coco, objects_of, target):
    coco(annotation([BIG]), annotation([SMALL], 7), annotation([SMALL], image=2))
    assert objects_of(*INSTANCE) == {
        "a.jpg": [TABLE, CUP],
        "b.jpg": [CUP._replace(name="table")],
    }
    classes = json.loads((target / "classes.json").read_text(encoding="utf-8"))
    assert classes == {
        "task": "instance",
        "classes": [
            {"name": "table", "color": [128, 0, 0]},
            {"name": "cup", "color": [0, 128, 0]},
        ],
    }
    assert not list(target.glob("*/masks"))


def test_detection_has_boxes_only(coco, objects_of):
    coco(annotation([BIG]), annotation(RUNS, 7), annotation(None, bbox=[1, 2, 3, 4]))
    assert objects_of("--task", "detection")["a.jpg"] == [
        Found("table", (1, 1, 7, 5), None),
        Found("cup", (1, 1, 2, 3), None),
        Found("table", (1, 2, 4, 6), None),
    ]


def test_without_a_task_masks_are_painted_as_before(coco, target, prepared):
    coco(annotation([BIG]))
    assert prepared().class_names == ("background", "table", "cup")
    assert not list(target.glob("*/objects.json"))


def test_an_object_of_two_parts_stays_one(coco, objects_of):
    coco(annotation([SMALL, CORNER], 7))
    assert objects_of(*INSTANCE)["a.jpg"] == [
        Found("cup", (2, 0, 8, 4), 4 + 2, parts=2)
    ]


@pytest.mark.parametrize("counts", ([7, 2, 39], "72W1"))
def test_run_lengths_as_numbers_and_as_text(coco, objects_of, counts):
    """39 is two characters: 39 & 31 = 7 and "more", then 1."""
    coco(annotation({"counts": counts, "size": [6, 8]}, 7))
    assert objects_of(*INSTANCE)["a.jpg"] == [Found("cup", (1, 1, 2, 3), 2)]


def test_a_crowd_is_kept_as_one_and_counted_apart(coco, counts_of, target):
    coco(annotation(RUNS, 7, iscrowd=1), annotation([BIG]))
    counts = counts_of(*INSTANCE)["objects"]
    assert counts["classes"] == {"table": 1, "cup": 0}
    assert counts["crowds"] == 1
    found = {n: o for split in read_objects(target).values() for n, o in split.items()}
    assert found["a.jpg"] == [Found("cup", (1, 1, 2, 3), 2, crowd=True), TABLE]


def test_the_strokes_of_cvat_are_objects(coco, objects_of):
    """CVAT writes iscrowd 1 for every mask that was drawn with a brush."""
    coco(annotation(RUNS, 7, iscrowd=1, attributes={"occluded": False}))
    assert not objects_of(*INSTANCE)["a.jpg"][0].crowd


@pytest.mark.parametrize("given", ["0", False, None, "false"])
def test_a_crowd_may_be_a_number_in_text(coco, objects_of, given):
    coco(annotation(RUNS, 7, iscrowd=given), annotation([BIG], iscrowd="1"))
    assert [one.crowd for one in objects_of(*INSTANCE)["a.jpg"]] == [False, True]


def test_ids_as_text_and_as_numbers_are_the_same(coco, objects_of):
    categories = [{"id": "7", "name": "cup"}, {"id": "10", "name": "table"}]
    coco(annotation([SMALL], 7, "1"), annotation([BIG], 10), categories=categories)
    assert objects_of(*INSTANCE)["a.jpg"] == [CUP, TABLE]


def test_ids_as_text_give_the_same_masks(coco, target, prepared):
    coco(annotation([SMALL], "7", "1"))
    data = prepared()
    masks = [split.read(0)[1] for split in data.splits.values()]
    assert sorted(int((mask == 2).sum()) for mask in masks) == [0, 4]


def test_roboflow_has_the_project_as_first_category(source, save, write, objects_of):
    categories = [
        {"id": 0, "name": "pets", "supercategory": "none"},
        {"id": 1, "name": "cat", "supercategory": "pets"},
    ]
    for split in ("train", "valid"):
        save(source / split / f"{split}.jpg")
        given = content(
            annotation([SMALL]), images=(f"{split}.jpg",), categories=categories
        )
        write(source / split / "_annotations.coco.json", given)
    assert objects_of(*INSTANCE) == {
        "train.jpg": [CUP._replace(name="cat")],
        "valid.jpg": [CUP._replace(name="cat")],
    }


def test_frames_of_one_name_in_two_splits_stay_two(
    source, save, write, target, prepared_objects
):
    """CVAT: images/train/frame.jpg and images/val/frame.jpg."""
    for split, box, level in (("train", BIG, 10), ("val", SMALL, 200)):
        image = np.full((6, 8, 3), level)
        save(source / f"images/{split}/frame.png", image)
        given = content(annotation([box]), images=("frame.png",))
        write(source / f"annotations/instances_{split}.json", given)
    assert prepared_objects(*INSTANCE) == {
        "train": {"frame.png": [TABLE]},
        "val": {"frame.png": [CUP._replace(name="table")]},
    }
    levels = [
        np.asarray(Image.open(target / split / "images/frame.png")).max()
        for split in ("train", "val")
    ]
    assert levels == [10, 200]


def test_polygons_of_two_points_are_left_out_and_counted(coco, counts_of):
    line = [1, 1, 5, 5]
    coco(annotation([line]), annotation([line, SMALL], 7), annotation([BIG], image=2))
    counts = counts_of(*INSTANCE)
    assert counts["objects"]["classes"] == {"table": 1, "cup": 1}
    assert counts["objects"]["skipped"] == {"polygons with fewer than 3 points": 2}


def test_what_is_outside_the_image_is_clipped_or_left_out(coco, counts_of, target):
    coco(
        annotation(None, bbox=[-2, 4, 5, 9]),
        annotation(None, bbox=[8, 0, 3, 3]),
        annotation(None, bbox=[1, 1, 0, 3]),
        annotation(None),
    )
    counts = counts_of("--task", "detection")["objects"]
    found = {n: o for split in read_objects(target).values() for n, o in split.items()}
    assert found["a.jpg"] == [Found("table", (0, 4, 3, 6), None)]
    assert counts["skipped"] == {
        "objects outside the image": 1,
        "objects without area": 1,
        "annotations without outline and box": 1,
    }
    assert counts["empty"] == 1


def test_the_category_background_is_no_class(coco, counts_of):
    categories = [{"id": 1, "name": "background"}, {"id": 7, "name": "cup"}]
    coco(annotation([BIG], 1), annotation([SMALL], 7), categories=categories)
    counts = counts_of(*INSTANCE)
    assert counts["classes"] == ["cup"]
    assert counts["objects"]["skipped"] == {"objects of the class background": 1}


def test_boxes_are_refused_for_instances(coco, source, error_message):
    coco(annotation(None, bbox=[1, 1, 2, 2]), annotation([BIG]))
    assert error_message(*INSTANCE) == (
        f"{source / 'images/a.jpg'}: 1 of 2 objects are boxes only; use --task "
        "detection, or outline the objects"
    )


@pytest.mark.parametrize(
    "given, word",
    (
        (annotation({"counts": [1, 2, 3], "size": [6, 8]}), "run lengths of 6 pixels"),
        (annotation([[1, 1, 5, 5, 3, 3, 2]]), "3 points"),
        (annotation([[1, 1, 5, 5, 3, 1e9]]), "far outside"),
        (annotation("123"), "annotation 5"),
        (annotation([{"x": 1}]), "no list of numbers"),
        (annotation(None, bbox=[1, 2, 3]), "the box [1, 2, 3]"),
        (annotation(None, bbox=[1, 2, 3, "a"]), "annotation 5"),
        (annotation(None, bbox=[1, 2, 3, float("nan")]), "annotation 5"),
    ),
)
def test_invalid_annotations(coco, error_message, given, word):
    path = coco(given)
    message = error_message("--task", "detection")
    assert str(path) in message
    assert word in message


@pytest.mark.parametrize("size", ((6, 8), (8, 6)))
def test_objects_turn_with_a_rotated_photo(source, save, coco, objects_of, size):
    """Stored 6x8 or 8x6 and turned clockwise, so that it is 8x6 upright.

    Labelled as stored, (x, y) becomes (6 - y, x); labelled upright it stays.
    """
    exif = Image.Exif()
    exif[0x0112] = 6
    save(source / "images/a.jpg", size=(6, 8), exif=exif)
    shapes = (
        annotation([SMALL[:2] + [3, 2, 3, 4, 2, 4]]),
        annotation(None, bbox=[2, 2, 1, 3]),
    )
    coco(*shapes, size=size, images=("a.jpg", "b.jpg"))
    save(source / "images/b.jpg", size=size)
    upright = [(2, 2, 3, 4), (2, 2, 3, 5)]
    boxes = [(2, 2, 4, 3), (1, 2, 4, 3)] if size == (6, 8) else upright
    found = objects_of("--task", "detection")["a.jpg"]
    assert [one.box for one in found] == boxes

"""Writing objects, whatever their format."""

import json

import pytest

from kseg.api import prepare

TASKS = ("detection", "instance")
POLYGON = "0 0.1 0.1 0.9 0.1 0.9 0.9\n"


@pytest.fixture
def yolo(source, save, write):
    for stem in "abc":
        save(source / f"images/{stem}.jpg")
        write(source / f"labels/{stem}.txt", POLYGON)
    write(source / "data.yaml", "names: [cat, dog]")
    return source


def test_images_are_copied_unchanged(yolo, target, prepared_objects):
    prepared_objects()
    for path in target.glob("*/images/*"):
        assert path.read_bytes() == (yolo / "images" / path.name).read_bytes()


@pytest.mark.parametrize("task", TASKS)
def test_classes_name_the_task(yolo, target, prepared_objects, task):
    prepared_objects("--task", task)
    content = json.loads((target / "classes.json").read_text(encoding="utf-8"))
    assert content == {
        "task": task,
        "classes": [
            {"name": "cat", "color": [128, 0, 0]},
            {"name": "dog", "color": [0, 128, 0]},
        ],
    }


def test_objects_json_is_coco(yolo, target, prepared_objects):
    prepared_objects()
    content = json.loads((target / "val/objects.json").read_text(encoding="utf-8"))
    (image,) = content["images"]
    assert (image["height"], image["width"]) == (6, 8)
    (one,) = content["annotations"]
    assert one["image_id"] == image["id"]
    assert one["bbox"] == pytest.approx([0.8, 0.6, 6.4, 4.8])
    assert one["segmentation"] == [pytest.approx([0.8, 0.6, 7.2, 0.6, 7.2, 5.4])]
    assert [c["name"] for c in content["categories"]] == ["cat", "dog"]


def test_what_was_found_is_said(yolo, write, source, target, counts_of, capsys):
    write(source / "labels/a.txt", POLYGON * 2)
    (source / "labels/b.txt").unlink()
    counts_of()
    said = capsys.readouterr().err
    assert f"{source}: read as yolo: train 2, val 1; 2 classes: cat, dog\n" in said
    assert (
        f"{target}: 2 objects: cat 2, dog 0; images without objects: 1; left out: 1 "
        "objects that are labelled twice\n"
    ) in said


def test_python_gives_the_counts(yolo, target):
    done = prepare(yolo, target, task="detection")
    assert done.task == "detection"
    assert done.objects.classes == {"cat": 3, "dog": 0}
    assert done.objects.total == 3
    assert "<td>cat</td>" in done._repr_html_()


@pytest.mark.parametrize("text", ("0 2 0 0 0", "7 0.5 0.5 0.1 0.1"))
def test_an_error_in_the_last_label_leaves_nothing(yolo, write, error_message, text):
    write(yolo / "labels/c.txt", text)
    error_message()


def test_an_image_that_cannot_be_read_leaves_nothing(yolo, error_message):
    path = yolo / "images/c.jpg"
    path.write_bytes(path.read_bytes()[:200])
    assert str(path) in error_message()


@pytest.mark.parametrize("task", TASKS)
def test_formats_of_masks_are_refused(source, save, error_message, task):
    for stem in "ab":
        save(source / f"train/{stem}.png")
        save(source / f"trainannot/{stem}.png", [[0] * 8] * 6)
    assert error_message("--task", task) == (
        f"{source}: an export of the format segnet has no objects for --task {task}; "
        "use --task semantic"
    )

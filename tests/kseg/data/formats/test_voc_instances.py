"""Pascal VOC's SegmentationObject. Images are 3x5."""

import numpy as np
import pytest
from PIL import Image

from edge.core.constants import palette
from tests.kseg.data.formats.conftest import Found

INSTANCE = ("--task", "instance")
VOID = 255
# Two cats (class 8) that touch, with the border around them, and a dog (class 12).
INSTANCES = [[1, 1, VOID, 0, 3], [1, 1, 2, 2, 3], [VOID, VOID, 2, 2, 0]]
CLASSES = [[8, 8, VOID, 0, 12], [8, 8, 8, 8, 12], [VOID, VOID, 8, 8, 0]]
OBJECTS = [
    Found("cat", (0, 0, 2, 2), 4),
    Found("cat", (2, 1, 4, 3), 4),
    Found("dog", (4, 0, 5, 2), 2),
]


def save_palette(path, ids):
    image = Image.fromarray(np.array(ids, np.uint8)).convert("P")
    image.putpalette(np.array(palette(256), np.uint8).ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def xml(*objects) -> str:
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"
    things = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult>{box}</object>"
        for name, difficult in objects
    )
    return f"<annotation>{things}</annotation>"


@pytest.fixture
def voc(source, save, write):
    for stem, split in (("a", "train"), ("b", "val")):
        save(source / f"JPEGImages/{stem}.jpg", size=(3, 5))
        write(source / f"ImageSets/Segmentation/{split}.txt", f"{stem}\n")
        save_palette(source / f"SegmentationClass/{stem}.png", CLASSES)
        save_palette(source / f"SegmentationObject/{stem}.png", INSTANCES)
    return source


def test_objects_have_the_class_under_them(voc, prepared_objects):
    assert prepared_objects(*INSTANCE) == {
        "train": {"a.jpg": OBJECTS},
        "val": {"b.jpg": OBJECTS},
    }


def test_without_a_task_masks_are_copied_as_before(voc, prepared):
    assert prepared().split("train").read(0)[1].tolist() == CLASSES


def test_colours_of_cvat(source, save, write, objects_of):
    """RGB masks; the objects have any colours, the classes those of labelmap.txt."""
    write(source / "labelmap.txt", "background:0,0,0::\ncat:8,8,8::\ndog:12,12,12::\n")
    border = (224, 224, 192)
    colors = {0: (0, 0, 0), 1: (1, 2, 3), 2: (4, 5, 6), 3: (0, 0, 9), VOID: border}
    classes = {0: (0, 0, 0), 8: (8, 8, 8), 12: (12, 12, 12), VOID: (0, 0, 0)}
    for stem in "ab":
        save(source / f"JPEGImages/{stem}.jpg", size=(3, 5))
        instances = [[colors[value] for value in row] for row in INSTANCES]
        save(source / f"SegmentationObject/{stem}.png", instances)
        mask = [[classes[value] for value in row] for row in CLASSES]
        save(source / f"SegmentationClass/{stem}.png", mask)
    by_colour = [OBJECTS[2], OBJECTS[0], OBJECTS[1]]
    assert objects_of(*INSTANCE)["a.jpg"] == by_colour


def test_boxes_come_from_annotations_if_there_are_any(voc, write, counts_of):
    write(voc / "Annotations/a.xml", xml(("cat", 0)))
    write(voc / "Annotations/b.xml", xml(("dog", 0)))
    counts = counts_of("--task", "detection")
    assert counts["format"] == "voc"
    assert counts["objects"]["classes"] == {"cat": 1, "dog": 1}


def test_without_annotations_boxes_are_those_of_the_instances(voc, prepared_objects):
    found = prepared_objects("--task", "detection")["train"]["a.jpg"]
    assert found == [one._replace(area=None) for one in OBJECTS]


def test_difficult_objects_are_crowds_if_their_class_agrees(voc, write, objects_of):
    write(voc / "Annotations/a.xml", xml(("cat", 1), ("dog", 1), ("dog", 0)))
    found = objects_of(*INSTANCE)["a.jpg"]
    assert [one.crowd for one in found] == [True, False, False]


def test_objects_without_a_class_are_left_out_and_counted(voc, counts_of):
    save_palette(voc / "SegmentationClass/a.png", np.where(np.eye(3, 5), 8, 0))
    counts = counts_of(*INSTANCE)["objects"]
    assert counts["skipped"] == {"objects without a class": 1}


def test_masks_alone_have_no_objects(voc, error_message, write):
    for path in (voc / "SegmentationObject").iterdir():
        path.unlink()
    (voc / "SegmentationObject").rmdir()
    message = error_message(*INSTANCE)
    assert message.endswith("tells objects of one class apart; use --task semantic")
    write(voc / "Annotations/a.xml", xml(("cat", 0)))
    assert "boxes only; use --task detection" in error_message(*INSTANCE)


def test_an_image_without_instances(voc, error_message):
    path = voc / "SegmentationObject/a.png"
    path.unlink()
    assert str(path) in error_message(*INSTANCE)

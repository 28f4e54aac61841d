"""Boxes in XML as in Pascal VOC. Images are 6x8."""

import pytest

from tests.kseg.data.formats.conftest import Found


def thing(name, *corners, difficult=0, extra="") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=False)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    box = f"<bndbox>{box}</bndbox>" if corners else ""
    return (
        f"<object><name>{name}</name><difficult>{difficult}</difficult>{box}{extra}"
        "</object>"
    )


def xml(*objects, size=(6, 8)) -> str:
    sides = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>"
    return (
        f"<annotation><filename>a.jpg</filename>{sides}{''.join(objects)}</annotation>"
    )


@pytest.fixture
def voc(source, save, write):
    """Writes the objects of image a of train; b of val has a cat."""

    def voc(*objects, **more):
        for stem, split in (("a", "train"), ("b", "val")):
            save(source / f"JPEGImages/{stem}.jpg")
            write(source / f"ImageSets/Main/{split}.txt", f"{stem}\n")
        write(source / "ImageSets/Main/cat_train.txt", "a -1\n")
        write(source / "Annotations/b.xml", xml(thing("cat", 1, 1, 8, 6)))
        return write(source / "Annotations/a.xml", xml(*objects, **more))

    return voc


def test_boxes_count_from_1_and_the_last_pixel_is_inside(voc, prepared_objects):
    voc(thing("dog", 3, 2, 4, 5), thing("cat", 1, 1, 8, 6))
    whole = Found("cat", (0, 0, 8, 6), None)
    assert prepared_objects() == {
        "train": {"a.jpg": [Found("dog", (2, 1, 4, 5), None), whole]},
        "val": {"b.jpg": [whole]},
    }


def test_difficult_objects_are_crowds(voc, counts_of):
    voc(thing("dog", 3, 2, 4, 5, difficult=1), thing("dog", 3, 2, 5, 5))
    counts = counts_of()
    assert counts["format"] == "voc-boxes"
    assert counts["task"] == "detection"
    assert counts["objects"]["classes"] == {"cat": 1, "dog": 1}
    assert counts["objects"]["crowds"] == 1


def test_boxes_of_parts_are_no_objects(voc, prepared_objects):
    """VOC has the head of a person inside its object."""
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    voc(thing("dog", 3, 2, 4, 5, extra=part))
    assert len(prepared_objects()["train"]["a.jpg"]) == 1


def test_objects_without_a_box_are_left_out_and_counted(voc, counts_of):
    voc(thing("dog"), thing("dog", 9, 7, 12, 9))
    assert counts_of()["objects"]["skipped"] == {
        "objects without a box": 1,
        "objects outside the image": 1,
    }


def test_beside_the_images(source, save, write, prepared_objects):
    """As Roboflow writes it."""
    for split in ("train", "valid"):
        save(source / split / "a.jpg")
        write(source / split / "a.xml", xml(thing("dog", 3, 2, 4, 5), size=(0, 0)))
    save(source / "train/b.jpg")
    assert prepared_objects() == {
        "train": {"a.jpg": [Found("dog", (2, 1, 4, 5), None)]},
        "val": {"a.jpg": [Found("dog", (2, 1, 4, 5), None)]},
    }


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("images/{}.jpg", "annotations/{}.xml"),
        ("data/{}.jpg", "labels/{}.xml"),
        ("images/train/{}.jpg", "labels/train/{}.xml"),
        ("train/images/{}.jpg", "train/annotations/{}.xml"),
    ],
)
def test_in_a_folder_beside_the_images(source, save, write, counts_of, image, labels):
    for stem in "abc":
        save(source / image.format(stem))
    for stem in "ab":
        write(source / labels.format(stem), xml(thing("cat", 1, 1, 8, 6)))
    counts = counts_of()
    assert counts["splits"] == {"train": 1, "val": 1}
    assert counts["unlabelled"] == 1


@pytest.mark.parametrize("task", ("semantic", "instance"))
def test_boxes_cannot_give_outlines(voc, source, error_message, task):
    voc(thing("dog", 3, 2, 4, 5))
    assert error_message("--task", task) == (
        f"{source}: has boxes only; use --task detection, or outline the objects"
    )


def test_image_of_another_size(voc, source, error_message):
    voc(thing("dog", 3, 2, 4, 5), size=(60, 80))
    message = error_message()
    assert str(source / "JPEGImages/a.jpg") in message
    assert "60x80" in message


def test_polygons_of_labelme_are_named(voc, error_message):
    outline = "<polygon><pt><x>1</x><y>1</y></pt></polygon>"
    path = voc(thing("dog", extra=outline))
    assert error_message().startswith(f"{path}: has polygons of LabelMe's XML")


def test_a_size_of_thousands_of_digits(voc, error_message):
    path = voc(thing("dog", 1, 1, 2, 2), size=("1" * 5000, 8))
    assert error_message().startswith(f"{path}: size has the height '1111")


def test_missing_image(voc, source, error_message):
    path = voc(thing("dog", 3, 2, 4, 5))
    (source / "JPEGImages/a.jpg").unlink()
    assert str(path) in error_message()


@pytest.mark.parametrize(
    "given, word",
    (
        (thing("dog", 3, 2, 4), "ymax ''"),
        (thing("dog", 3, 2, 4, "x"), "ymax 'x'"),
        (thing("", 3, 2, 4, 5), "has no name"),
        ("<object>", "not valid XML"),
    ),
)
def test_invalid_objects(voc, error_message, given, word):
    path = voc(given)
    message = error_message()
    assert str(path) in message
    assert word in message


def test_shares_of_the_sides_are_refused(source, save, write, error_message):
    for stem in "ab":
        save(source / f"{stem}.jpg")
        write(source / f"{stem}.xml", xml(thing("dog", 0.25, 0.25, 0.75, 1)))
    assert error_message() == (
        f"{source}/a.xml: has boxes from 0 to 1, fractions of the image's width and "
        "height and not pixels; multiply them by its size, 6x8"
    )


def test_files_in_folders_of_folders_are_read(source, save, write, prepared_objects):
    for name in ("a", "val/day/b"):
        save(source / f"{name}.jpg")
        write(source / f"{name}.xml", xml(thing("dog", 3, 2, 4, 5)))
    dog = Found("dog", (2, 1, 4, 5), None)
    assert prepared_objects() == {"train": {"a.jpg": [dog]}, "val": {"b.jpg": [dog]}}

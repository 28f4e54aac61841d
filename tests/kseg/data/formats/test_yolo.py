"""YOLO's text files. Images are 10x20, so that a tenth is 1 row or 2 columns."""

import pytest

from edge.core.errors import InputError
from kseg.cli.prepare import main
from tests.kseg.data.formats.conftest import Found

SIZE = (10, 20)
YAML = "nc: 2\nnames: [cat, dog]\n"
BOX = "1 0.5 0.5 0.2 0.4"  # columns 8 to 11, rows 3 to 6
POLYGON = "0 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4"  # columns 2 to 5, rows 1 to 3
DOG = Found("dog", (8, 3, 12, 7), None)
CAT = Found("cat", (2, 1, 6, 4), 12, parts=1)
LAYOUTS = {
    "images/train": ("images/{}/{}", "labels/{}/{}"),
    "train/images": ("{}/images/{}", "{}/labels/{}"),
}


@pytest.fixture
def yolo(source, save, write):
    """Writes the text file of image a; b has none."""

    def yolo(text, names=YAML):
        for stem in "ab":
            save(source / f"images/{stem}.jpg", size=SIZE)
        if names:
            write(source / "data.yaml", names)
        return write(source / "labels/a.txt", text)

    return yolo


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_with_splits(source, save, write, prepared_objects, layout):
    image, label = LAYOUTS[layout]
    other = POLYGON.replace("0", "1", 1)
    for split, text in (("train", POLYGON), ("valid", f"{POLYGON}\n{other}\n")):
        save(source / image.format(split, "a.jpg"), size=SIZE)
        write(source / label.format(split, "a.txt"), text)
    write(source / "data.yaml", YAML)
    assert prepared_objects() == {
        "train": {"a.jpg": [CAT]},
        "val": {"a.jpg": [CAT, CAT._replace(name="dog")]},
    }


def test_a_split_without_objects_is_named(source, save, write, counts_of):
    for split, text in (("train", POLYGON), ("val", "")):
        save(source / f"images/{split}/a.jpg", size=SIZE)
        write(source / f"labels/{split}/a.txt", text)
    write(source / "data.yaml", YAML)
    assert counts_of("--task", "instance")["objects"]["bare"] == ["val"]


def test_polygons_alone_are_instances(yolo, counts_of):
    yolo(POLYGON)
    assert counts_of()["task"] == "instance"


def test_a_file_may_have_boxes_and_polygons(yolo, objects_of):
    """Then the task is detection."""
    yolo(f"{BOX}\n\n{POLYGON}\n")
    assert objects_of() == {
        "a.jpg": [DOG, CAT._replace(area=None, parts=0)],
        "b.jpg": [],
    }


def test_boxes_are_refused_for_instances(yolo, source, error_message):
    yolo(f"{BOX}\n{POLYGON}\n")
    assert error_message("--task", "instance") == (
        f"{source / 'images/a.jpg'}: 1 of 2 objects are boxes only; use --task "
        "detection, or outline the objects"
    )


def test_counts(yolo, counts_of):
    yolo(f"{BOX}\n{BOX}\n")
    counts = counts_of()
    assert counts["format"] == "yolo"
    assert counts["task"] == "detection"
    assert counts["objects"] == {
        "classes": {"cat": 0, "dog": 1},
        "crowds": 0,
        "empty": 1,
        "skipped": {"objects that are labelled twice": 1},
        "changed": {},
        "images": {"cat": 0, "dog": 1},
        "bare": ["val"],
    }


def test_a_name_that_means_background_is_no_class(yolo, counts_of):
    yolo(f"{POLYGON}\n1{POLYGON[1:]}\n", names="\ufeffnames: [Background, dog]\n")
    counts = counts_of()
    assert counts["classes"] == ["dog"]
    assert counts["objects"]["classes"] == {"dog": 1}
    left_out = {"objects of the class background": 1}
    assert counts["objects"]["skipped"] == left_out


def test_folders_inside_the_folders_of_splits(source, save, write, prepared_objects):
    """Frames of one name stay two, and so do their labels."""
    for folder, line in (("train", BOX), ("train/cam1", ""), ("val", BOX)):
        save(source / "images" / folder / "a.jpg")
        write(source / "labels" / folder / "a.txt", line)
    write(source / "data.yaml", "names: [cat, dog]")
    found = prepared_objects()
    assert {name: len(objects) for name, objects in found["train"].items()} == {
        "a.jpg": 1,
        "cam1_a.jpg": 0,
    }
    assert list(found["val"]) == ["a.jpg"]


def test_labels_meet_images_whose_names_are_written_differently(
    source, save, write, objects_of
):
    for stem, other in (("caf\u00e9", "cafe\u0301"), ("b 1", "b%201")):
        save(source / f"images/train/{stem}.jpg")
        write(source / f"labels/train/{other}.txt", BOX)
    write(source / "data.yaml", "names: [cat, dog]")
    assert [len(objects) for objects in objects_of().values()] == [1, 1]


def test_masks_are_painted_from_polygons(yolo, prepared):
    yolo(POLYGON)
    data = prepared("--task", "semantic")
    assert data.class_names == ("background", "cat", "dog")
    masks = [split.read(0)[1] for split in data.splits.values()]
    assert sorted(int(mask.sum()) for mask in masks) == [0, 12]


def test_masks_are_not_painted_from_boxes(yolo, error_message):
    yolo(BOX)
    message = error_message("--task", "semantic")
    assert "1 of 1 objects are boxes only; use --task detection" in message


@pytest.mark.parametrize(
    "names",
    (
        "names:\n  0: cat\n  1: dog\n",
        "names: {1: dog, 0: cat}",
        "names:\n- cat\n- dog\n",
    ),
)
def test_names_as_a_list_or_a_dict(yolo, counts_of, names):
    yolo(BOX, names)
    assert counts_of()["classes"] == ["cat", "dog"]


def test_names_that_yaml_takes_for_values_stay_text(yolo, counts_of):
    yolo(BOX, "names: [no, 1]")
    assert counts_of()["classes"] == ["no", "1"]


def test_names_in_classes_txt(yolo, write, source, counts_of):
    yolo(BOX, None)
    write(source / "classes.txt", "cat\ndog\n")
    write(source / "labels/classes.txt", "cat\ndog\n")
    assert counts_of()["classes"] == ["cat", "dog"]


def test_values_just_outside_are_clipped(yolo, objects_of):
    """The box reaches from -0.1 to 0.1 of the width, the polygon to 1.01."""
    yolo("1 0 0.5 0.2 0.4\n0 0.9 0.9 1.01 0.9 1.01 1 0.9 1\n")
    assert objects_of()["a.jpg"] == [
        Found("dog", (0, 3, 2, 7), None),
        Found("cat", (18, 9, 20, 10), None),
    ]


def test_clipped_objects_are_counted(yolo, counts_of):
    yolo("1 0 0.5 0.2 0.4\n1 0.5 0.5 0.2 0\n")
    counts = counts_of()["objects"]
    assert counts["changed"] == {"objects with values outside 0 to 1, clipped": 1}
    assert counts["skipped"] == {"objects without area": 1}


@pytest.mark.parametrize(
    "line, word",
    (
        ("1 0.5 0.5 1.6 0.4", "the value 1.6 is not in 0 to 1"),
        ("1 0.5 0.5 -0.2 0.4", "a negative side: width -0.2, height 0.4"),
        ("1 320 240 64 48", "the value 320"),
        ("1 nan 0.5 0.2 0.4", "the value nan"),
        ("2 0.5 0.5 0.2 0.4", "class 2 is not one of the 2"),
        ("-1 0.5 0.5 0.2 0.4", "class -1"),
        ("1 0.5 0.5 0.2", "has 4 numbers"),
        ("1 0.5 0.5 0.2 0.4 0.9", "has 6 numbers"),
        ("0 0.1 0.1 0.3 0.1 0.3 0.4 0.1", "has 8 numbers"),
        ("cat 0.5 0.5 0.2 0.4", "not a class id"),
        ("1 0,5 0.5 0.2 0.4", "not a class id"),
    ),
)
def test_invalid_lines_are_named(yolo, error_message, line, word):
    path = yolo(f"{BOX}\n{line}\n")
    message = error_message()
    assert message.startswith(f"{path}, line 2: ")
    assert word in message


@pytest.mark.parametrize(
    "names",
    (
        f"names: {'[' * 3000}",
        "nc: 2",
        "names: []",
        "names: {0: a, 2: b}",
        "[a",
        "a",
        "names: 3",
    ),
)
def test_invalid_names(yolo, source, error_message, names):
    yolo(BOX, names)
    assert str(source / "data.yaml") in error_message()


def test_names_have_no_line_ends(yolo, error_message):
    """Each line of labels.txt in a model file is the name of a class."""
    yolo(BOX, 'names: ["a\\nb"]')
    assert "the name 'a\\nb', which is empty or has control" in error_message()


def test_names_are_needed(yolo, error_message):
    yolo(BOX, None)
    assert "has no data.yaml; add one" in error_message()


def test_names_of_labelimg_are_beside_the_labels(yolo, write, source, objects_of):
    yolo(BOX, None)
    write(source / "labels/classes.txt", "cat\ndog\n")
    assert objects_of()["a.jpg"] == [DOG]


def test_an_empty_folder_of_images(yolo, source, error_message):
    path = yolo(BOX)
    for image in source.glob("images/*"):
        image.unlink()
    assert error_message().startswith(f"{path}: its image ")


def test_labels_without_image(yolo, write, source, error_message, target):
    yolo(BOX)
    path = write(source / "labels/c.txt", BOX)
    assert str(path) in error_message()
    main([str(source), str(target), "--skip-missing"])


def test_text_that_is_not_utf_8(yolo, error_message):
    path = yolo(BOX)
    path.write_bytes(b"1 0.5 0.5 0.2 0.4 \xff")
    assert str(path) in error_message()
    with pytest.raises(InputError, match="UTF-8"):
        main([str(path.parents[1]), str(path.parents[2] / "data")])


@pytest.mark.parametrize(("number", "words"), (("1.0", ""), ("1.5", "class id")))
def test_numbers_of_classes_as_decimals(yolo, objects_of, error_message, number, words):
    yolo(f"{number}{BOX[1:]}")
    if words:
        assert words in error_message()
    else:
        assert DOG in objects_of()["a.jpg"]


def test_labels_with_keypoints_are_refused(yolo, source, error_message):
    """Their numbers, 5 + 3 * 4 here, would be read as a polygon of 8 points."""
    yolo(f"{BOX}{' 0.5 0.5 1' * 4}", names=f"{YAML}kpt_shape: [4, 3]\n")
    assert error_message() == (
        f"{source}/data.yaml: `kpt_shape` says that the labels are boxes with "
        "keypoints, which are not read; export boxes or polygons instead"
    )


def test_the_suffix_of_labels_may_be_in_capitals(yolo, objects_of):
    text = yolo(BOX)
    text.rename(text.with_suffix(".TXT"))
    assert objects_of()["a.jpg"] == [DOG]

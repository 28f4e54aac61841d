import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kseg

# A polygon with integer coordinates contains the pixels from its start, end exclusive.
BIG = [1, 1, 7, 1, 7, 5, 1, 5]  # rows 1 to 4, columns 1 to 6: 24 pixels
SMALL = [2, 2, 4, 2, 4, 4, 2, 4]  # rows 2 and 3, columns 2 and 3
CATEGORIES = [
    {"id": 1, "name": "table", "supercategory": ""},
    {"id": 7, "name": "cup", "supercategory": ""},
]


def filled(*boxes, size=(6, 8)) -> list:
    """Class 0 with boxes (class, top, left, bottom, right) in order, ends exclusive."""
    mask = np.zeros(size, int)
    for value, top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = value
    return mask.tolist()


def annotation(segmentation, category=1, image=1, **more) -> dict:
    entry = {"id": 5, "image_id": image, "category_id": category, "iscrowd": 0}
    return {**entry, "segmentation": segmentation, "bbox": [0, 0, 1, 1], **more}


def content(*annotations, name="a.jpg", size=(6, 8), categories=CATEGORIES) -> dict:
    image = {"id": 1, "file_name": name, "height": size[0], "width": size[1]}
    entries = {"images": [image], "annotations": [*annotations]}
    return {**entries, "categories": [*categories]}


@pytest.fixture
def coco(source, save, write):
    """COCO's own layout; each split is one image with one object."""
    for split, box in (("train2017", BIG), ("val2017", SMALL)):
        save(source / split / "a.jpg")
        path = source / "annotations" / f"instances_{split}.json"
        write(path, content(annotation([box])))
    return source


@pytest.fixture
def train(coco, write):
    """Replaces the training annotations."""
    path = coco / "annotations/instances_train2017.json"
    return lambda *given, **more: write(path, content(*given, **more))


def test_polygons(coco, prepared):
    data = prepared()
    assert data.class_names == ("background", "table", "cup")
    assert list(data.splits) == ["train", "val"]
    assert data.split("train").read(0)[1].tolist() == filled((1, 1, 1, 5, 7))
    assert data.split("val").read(0)[1].tolist() == filled((1, 2, 2, 4, 4))


def test_object_of_two_parts(train, masks_of):
    train(annotation([SMALL, [6, 0, 8, 0, 8, 1, 6, 1]], 7))
    assert masks_of()["a"] == filled((2, 2, 2, 4, 4), (2, 0, 6, 1, 8))


def test_run_lengths_as_numbers(train, masks_of, save, coco):
    """Column-major: 1 pixel outside, 2 inside, 3 outside."""
    save(coco / "train2017/a.jpg", size=(2, 3))
    runs = {"counts": [1, 2, 3], "size": [2, 3]}
    train(annotation(runs, 7), size=(2, 3))
    assert masks_of()["a"] == [[0, 2, 0], [2, 0, 0]]


def test_run_lengths_as_text(train, masks_of, save, coco):
    """Run lengths under 16 are one character each, "0" plus the length."""
    save(coco / "train2017/a.jpg", size=(2, 3))
    train(annotation({"counts": "123", "size": [2, 3]}, 7), size=(2, 3))
    assert masks_of()["a"] == [[0, 2, 0], [2, 0, 0]]


def test_run_lengths_as_pycocotools_writes_them(train, masks_of, coco, save):
    """Noise has long runs and differences of run lengths."""
    from pycocotools import mask as coco_mask

    noise = np.random.RandomState(0).rand(90, 70) < 0.2
    noise[:, 20:50] = False
    runs = coco_mask.encode(np.asfortranarray(noise.astype(np.uint8)))
    save(coco / "train2017/a.jpg", size=(90, 70))
    given = {"counts": runs["counts"].decode(), "size": [90, 70]}
    train(annotation(given), size=(90, 70))
    assert masks_of()["a"] == noise.astype(int).tolist()


@pytest.mark.parametrize("reverse", (False, True))
def test_smaller_objects_are_drawn_on_top(train, masks_of, reverse):
    objects = [annotation([BIG], 1), annotation([SMALL], 7)]
    train(*reversed(objects) if reverse else objects)
    assert masks_of()["a"] == filled((1, 1, 1, 5, 7), (2, 2, 2, 4, 4))


def test_of_equal_objects_the_later_is_drawn_on_top(train, masks_of):
    train(annotation([BIG], 7), annotation([BIG], 1))
    assert masks_of()["a"] == filled((1, 1, 1, 5, 7))


def test_crowds_are_objects(train, masks_of, save, coco):
    """A crowd, as CVAT marks brush strokes, over a polygon that covers the image."""
    save(coco / "train2017/a.jpg", size=(2, 3))
    stroke = annotation({"counts": [1, 2, 3], "size": [2, 3]}, 7, iscrowd=1)
    train(annotation([[0, 0, 3, 0, 3, 2, 0, 2]]), stroke, size=(2, 3))
    assert masks_of()["a"] == [[1, 2, 1], [2, 1, 1]]


def test_image_without_objects_is_background(train, masks_of):
    train()
    assert masks_of()["a"] == filled()


def test_keypoint_files_are_left_out(coco, write, prepared, capsys):
    entry = annotation([], keypoints=[1, 1, 2])
    write(coco / "annotations/person_keypoints_train2017.json", content(entry))
    assert prepared().split("train").names == ["a.jpg"]
    said = "a name of COCO's: person_keypoints_train2017.json"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "image"),
    [
        ("labels.json", "data/a.jpg"),
        ("x/labels.json", "x/images/a.jpg"),
        ("annotations/train.json", "train_images/a.jpg"),
    ],
)
def test_where_images_may_be(source, save, write, target, file, image):
    save(source / image)
    save(source / image.replace("a.jpg", "b.jpg"))
    given = content(annotation([SMALL]))
    given["images"].append({"id": 2, "file_name": "b.jpg", "height": 6, "width": 8})
    write(source / file, given)
    assert kseg.prepare(source, target).splits == {"train": 1, "val": 1}


def test_roboflow(source, save, write, prepared):
    """The project is the supercategory; the images are in the folder of the file."""
    categories = [
        {"id": 0, "name": "pets", "supercategory": "none"},
        {"id": 1, "name": "cat", "supercategory": "pets"},
    ]
    for split in ("train", "valid", "test"):
        save(source / split / "a_jpg.rf.01.jpg")
        entry = annotation([SMALL], iscrowd=0)
        given = content(entry, name="a_jpg.rf.01.jpg", categories=categories)
        write(source / split / "_annotations.coco.json", given)
    data = prepared()
    assert data.class_names == ("background", "cat")
    assert list(data.splits) == ["train", "val", "test"]
    assert data.split("test").read(0)[1].tolist() == filled((1, 2, 2, 4, 4))


def test_a_class_with_the_name_of_roboflows_project_is_kept(coco, write, prepared):
    categories = [
        {"id": 0, "name": "cup", "supercategory": "none"},
        {"id": 1, "name": "cup", "supercategory": "cup"},
    ]
    for path in coco.glob("annotations/*.json"):
        write(path, content(annotation([SMALL]), categories=categories))
    data = prepared()
    assert data.class_names == ("background", "cup")
    assert data.split("train").read(0)[1].tolist() == filled((1, 2, 2, 4, 4))


def test_cvat(source, save, write, prepared):
    """One file per task, the images in images/; train and val are chosen by seed."""
    given = content(annotation([SMALL]))
    given["images"].append({"id": 2, "file_name": "b.jpg", "height": 6, "width": 8})
    write(source / "annotations/instances_default.json", given)
    for stem in "ab":
        save(source / f"images/{stem}.jpg")
    splits = prepared().splits
    assert {name: len(split.names) for name, split in splits.items()} == {
        "train": 1,
        "val": 1,
    }


def test_objects_outside_their_image_are_counted(train, counts_of):
    train(annotation([BIG]), annotation([[20, 20, 24, 20, 24, 24]]))
    skipped = counts_of()["masks"]["skipped"]
    assert skipped == {"shapes without a pixel in the image": 1}


def test_the_name_of_the_whole_export_is_no_split(source, save, write, target):
    folder = source / "my_test"
    save(folder / "images/a.jpg")
    save(folder / "images/b.jpg")
    given = content(annotation([SMALL]))
    given["images"].append({"id": 2, "file_name": "b.jpg", "height": 6, "width": 8})
    write(folder / "result.json", given)
    found = kseg.prepare(folder, target)
    assert found.splits == {"train": 1, "val": 1}


def test_label_studio(source, save, write, prepared):
    """Windows paths, ids from 0, a file of any name."""
    categories = [{"id": 0, "name": "cat"}]
    given = content(annotation([SMALL], 0), name="images\\a.jpg", categories=categories)
    given["images"].append({"id": 2, "file_name": "images\\b.jpg"})
    write(source / "result.json", given)
    for stem in "ab":
        save(source / f"images/{stem}.jpg")
    data = prepared()
    assert data.class_names == ("background", "cat")
    found = [split.read(0)[1].tolist() for split in data.splits.values()]
    assert sorted(found) == [filled(), filled((1, 2, 2, 4, 4))]


def test_a_category_called_background_is_class_0(train, coco, prepared):
    categories = [{"id": 1, "name": "background"}, {"id": 7, "name": "table"}]
    train(annotation([BIG], 7), annotation([SMALL], 1), categories=categories)
    data = prepared()
    assert data.class_names == ("background", "table", "cup")
    expected = filled((1, 1, 1, 5, 7), (0, 2, 2, 4, 4))
    assert data.split("train").read(0)[1].tolist() == expected


def test_rotated_photo_annotated_as_stored(train, coco, save, masks_of):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(coco / "train2017/a.jpg", size=(6, 8), exif=exif)
    train(annotation([SMALL]))
    expected = np.rot90(filled((1, 2, 2, 4, 4)), -1).tolist()
    assert masks_of()["a"] == expected


def test_rotated_photo_annotated_upright(train, coco, save, masks_of):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(coco / "train2017/a.jpg", size=(8, 6), exif=exif)
    train(annotation([SMALL]))
    assert masks_of()["a"] == filled((1, 2, 2, 4, 4))


# --- errors ---


@pytest.mark.parametrize("text", ("", "{", "[]", "{}", '{"images": [], "a": 1}'))
def test_invalid_json(coco, write, error_message, text):
    path = write(coco / "annotations/instances_train2017.json", text)
    assert str(path) in error_message()


@pytest.mark.parametrize("key", ("images", "annotations", "categories"))
def test_incomplete_entries(coco, write, error_message, key):
    given = content(annotation([BIG]))
    given[key].append({"surprise": 1})
    path = write(coco / "annotations/instances_train2017.json", given)
    message = error_message()
    assert str(path) in message
    assert repr(key) in message


@pytest.mark.parametrize(
    "segmentation, word",
    (
        ([], "box"),
        ([[]], "box"),
        (None, "box"),
        ([[1, 1, 5, 5]], "3 points"),
        ([[1, 1, 5, 5, 3]], "3 points"),
        ([[1, 1, 5, 5, 3, 3, 2]], "3 points"),
        ([[1, 1, 5, 5, 3, 1e9]], "far outside"),
        ([[1, 1, 5, 5, 3, float("nan")]], "far outside"),
        ([["a", 1, 5, 5, 3, 1]], "annotation 5"),
        ([{"x": 1}], "no list of numbers"),
        ("123", "annotation 5"),
        (7, "neither"),
        ({"counts": [1, 2, 3], "size": [2, 3]}, "6x8"),
        ({"counts": [1, 2, 3], "size": [6, 8]}, "run lengths of 6 pixels"),
        ({"counts": [-1, 49], "size": [6, 8]}, "and negative ones"),
        ({"counts": "123", "size": [6, 8]}, "annotation 5"),
        ({"counts": "1", "size": [6, 8]}, "annotation 5"),
        ({"counts": "ooooooooooooo", "size": [6, 8]}, "annotation 5"),
        ({"counts": "é", "size": [6, 8]}, "annotation 5"),
        ({"counts": None, "size": [6, 8]}, "cannot be read"),
        ({"size": [6, 8]}, "cannot be read"),
        ({"counts": [48], "size": 7}, "cannot be read"),
    ),
)
def test_invalid_segmentation(train, error_message, segmentation, word):
    path = train(annotation(segmentation))
    message = error_message()
    assert str(path) in message
    assert "annotation 5" in message
    assert word in message


@pytest.mark.parametrize(
    ("category", "words"),
    (
        ({"id": 1, "name": "other"}, "have the same id 1"),
        ({"id": 99, "name": None}, "category 99 has the name None, which is not text"),
        ({"id": 99, "name": "a\nb"}, "category 99 has the name"),
    ),
)
def test_categories_that_cannot_be_used(coco, write, error_message, category, words):
    given = content(annotation([BIG]))
    given["categories"] = [*given["categories"], category]
    write(coco / "annotations/instances_train2017.json", given)
    assert words in error_message()


def test_missing_category(train, error_message):
    path = train(annotation([BIG], 99))
    message = error_message()
    assert str(path) in message
    assert "category 99" in message


def test_annotation_of_an_image_that_is_not_listed(
    train, error_message, prepared, capsys
):
    path = train(annotation([BIG], image=9), annotation([SMALL]))
    message = error_message()
    assert str(path) in message
    assert "image 9" in message
    mask = prepared("--skip-missing").split("train").read(0)[1]
    assert "left out 1 annotations of images not in" in capsys.readouterr().err
    assert mask.tolist() == filled((1, 2, 2, 4, 4))


def test_annotations_of_no_image_at_all(train, error_message):
    """To leave all of them out would leave empty masks."""
    path = train(annotation([BIG], image="9"), annotation([SMALL], image=10))
    for options in ((), ("--skip-missing",)):
        message = error_message(*options)
        assert message.startswith(f"{path}: no annotation is of an image in 'images'")
        assert "'9'" in message and "--skip-missing" not in message


@pytest.mark.parametrize(
    ("image", "category", "other"), (("01", 1, "1"), (1, "007", "7"))
)
def test_ids_that_differ_in_leading_zeros(train, error_message, image, category, other):
    train(annotation([BIG], category, image))
    message = error_message()
    assert f"it is '{other}' but for leading zeros: write both" in message
    assert "export it again" not in message


def test_ids_as_text_and_as_numbers(train, masks_of):
    categories = [{"id": 1.0, "name": "table"}, {"id": "7", "name": "cup"}]
    entries = annotation([BIG], "1", "1"), annotation([SMALL], 7, 1.0)
    train(*entries, categories=categories)
    assert masks_of()["a"] == filled((1, 1, 1, 5, 7), (2, 2, 2, 4, 4))


def test_background_and_void_in_any_spelling(train, masks_of):
    names = ["Background", "road", "Unlabeled"]  # beside the table and cup of val
    categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
    whole = annotation([[0, 0, 8, 0, 8, 6, 0, 6]], 1)
    train(*(whole, annotation([BIG], 2), annotation([SMALL], 3)), categories=categories)
    assert masks_of()["a"] == filled((2, 1, 1, 5, 7), (255, 2, 2, 4, 4))


def test_categories_of_files_that_differ_in_capitals(coco, write, prepared):
    lists = {"train2017": ["Car", "bus"], "val2017": ["bus", "car"]}
    for split, names in lists.items():
        categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
        path = coco / "annotations" / f"instances_{split}.json"
        number = 1 + [name.lower() for name in names].index("car")
        write(path, content(annotation([BIG], number), categories=categories))
    data = prepared()
    assert data.class_names == ("background", "Car", "bus")
    for split in ("train", "val"):
        assert data.split(split).read(0)[1].tolist() == filled((1, 1, 1, 5, 7))


@pytest.mark.parametrize(
    "stated",
    (
        "a%20b%C3%A9.jpg",
        "a be\u0301.jpg",
        "A B\u00c9.JPG",
        "photos\\a b\u00e9.jpg",
        "/data/local-files/?d=x/a%20b%C3%A9.jpg",
        "https://host/upload/a%20b%C3%A9.jpg?key=1",
    ),
)
def test_names_that_are_written_differently(train, save, coco, masks_of, stated):
    (coco / "train2017/a.jpg").unlink()
    save(coco / "train2017/a b\u00e9.jpg")
    train(annotation([BIG]), name=stated)
    assert list(masks_of()) == ["a b\u00e9"]


def test_a_name_of_two_files_is_missing(train, save, coco, error_message):
    (coco / "train2017/a.jpg").unlink()
    for name in ("B.jpg", "b.JPG"):
        save(coco / "train2017" / name)
    train(annotation([BIG]), name="b.jpg")
    assert "its image" in error_message()


def test_points_that_are_shares_are_refused(train, save, coco, error_message):
    shares = [0.1, 0.1, 0.9, 0.1, 0.9, 0.9]
    path = train(annotation([shares]))
    message = error_message()
    assert message.startswith(f"{path}: annotation 5 has points from 0 to 1")
    train({**annotation([]), "bbox": [0.1, 0.2, 0.5, 0.5]})
    message = error_message("--task", "detection")
    assert "annotation 5 has the box [0.1, 0.2, 0.5, 0.5], from 0 to" in message


def test_a_subset_whose_name_has_a_line(source, save, write, objects_of, target):
    """images/my_part/a.jpg and images/part/a.jpg are two frames."""
    for part, level in (("my_part", 10), ("part", 200)):
        save(source / "images" / part / "a.png", np.full((6, 8, 3), level))
        path = source / "annotations" / f"instances_{part}.json"
        write(path, content(annotation([BIG]), name="a.png"))
    objects_of("--task", "instance")
    found = {p.name: p for p in target.glob("*/images/*.png")}
    assert set(found) == {"my_part_a.png", "part_a.png"}
    assert np.asarray(Image.open(found["my_part_a.png"])).max() == 10


def test_one_image_for_the_frames_of_two_subsets_is_refused(
    source, save, write, error_message
):
    image = save(source / "images/a.jpg")
    for split, box in (("train", BIG), ("val", SMALL)):
        path = source / "annotations" / f"instances_{split}.json"
        write(path, content(annotation([box])))
    message = error_message()
    assert message.startswith(f"{image}: is labelled twice, by image 1 of ")
    assert "instances_train.json" in message and "instances_val.json" in message


def test_the_keys_may_be_in_the_middle_of_a_long_file(source, save, write, prepared):
    """Label Studio has the categories between two long lists."""
    name = "a" * 200
    images = [
        {"id": i, "file_name": f"{name}{i}.jpg", "height": 6, "width": 8}
        for i in range(400)
    ]
    for index in range(2):
        save(source / f"{name}{index}.jpg")
    given = {"images": images, "categories": CATEGORIES}
    given["annotations"] = [annotation([BIG], image=0, note=name * 400)]
    write(source / "result.json", given)
    assert len(prepared("--skip-missing").split("train").names) == 1


def test_images_that_no_entry_names_are_counted(coco, save, counts_of):
    save(coco / "train2017/b.jpg")
    assert counts_of()["unlabelled"] == 1


def test_missing_image(coco, error_message, write, save, prepared):
    given = content(annotation([BIG]))
    given["images"].append({"id": 2, "file_name": "b.jpg", "height": 6, "width": 8})
    path = write(coco / "annotations/instances_train2017.json", given)
    message = error_message()
    assert str(path) in message
    assert str(coco / "train2017/b.jpg") in message
    assert prepared("--skip-missing").split("train").names == ["a.jpg"]


def test_two_images_with_one_id(coco, write, error_message):
    given = content(annotation([BIG]))
    given["images"] *= 2
    path = write(coco / "annotations/instances_train2017.json", given)
    assert str(path) in error_message()


def test_image_of_another_size(train, coco, error_message):
    train(annotation([BIG]), size=(6, 9))
    message = error_message()
    assert str(coco / "train2017/a.jpg") in message
    assert "6x8" in message and "6x9" in message


def test_too_many_classes(train, error_message):
    train(categories=[{"id": i, "name": f"c{i}"} for i in range(255)])
    assert (
        "258 classes" in error_message()
    )  # with background, and with table and cup of val


def test_no_class(coco, write, error_message):
    for path in (coco / "annotations").iterdir():
        write(path, content(categories=[]))
    assert f"{coco}: has no label besides the background; label" in error_message()


def test_corners_in_place_of_sizes_are_doubted(train, caplog, counts_of):
    """x, y, x, y of a box at the right: as x, y, width, height it ends outside."""
    boxes = [4, 2, 7, 5], [5, 1, 8, 6], [1, 1, 3, 2]
    train(*(annotation([], bbox=box) for box in boxes))
    counts = counts_of("--task", "detection")
    key = "boxes that reached beyond their image, clipped"
    assert counts["objects"]["changed"] == {key: 2}
    assert "2 of 4 boxes reached beyond their image; check that" in caplog.text


def test_size_in_json_is_checked_before_allocation(train, error_message):
    """This size would take all memory."""
    train(annotation([BIG]), size=(10**9, 10**9))
    assert "1000000000x1000000000" in error_message()


# --- licences ---

LICENCES = [
    {"id": 4, "name": "Attribution", "url": "http://by"},
    {"id": 1, "name": "NonCommercial", "url": "http://nc"},
]


@pytest.fixture
def licensed(source, save, write):
    """Images of the licences 4, 1, "8" (which is not listed) and none; the second has
    no file."""
    images, annotations = [], []
    for number, licence in enumerate((4, 1, "8", None), start=1):
        name = f"{number}.jpg"
        entry = {"id": number, "file_name": name, "height": 6, "width": 8}
        entry |= {} if licence is None else {"license": licence}
        entry["coco_url"] = f"http://coco/{number}"
        if number == 1:
            entry |= {"flickr_url": "http://one, two", "author": "A. Person"}
        images.append(entry)
        annotations.append(annotation([BIG], image=number, id=number))
        if number != 2:
            save(source / "train2017" / name)
    whole = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    path = source / "annotations" / "instances_train2017.json"
    write(path, {**whole, "licenses": LICENCES})
    return source


@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_images_of_some_licences_with_their_credits(licensed, target, prepared, task):
    data = prepared("--licenses", "4,8", "--task", task)
    stems = [Path(name).stem for part in data.splits.values() for name in part.names]
    assert sorted(stems) == ["1", "3"]
    with (target / "CREDITS.csv").open(encoding="utf-8", newline="") as file:
        rows = {Path(row["file"]).name: row for row in csv.DictReader(file)}
    assert rows["1.jpg"] | {"file": ""} == {
        **{"file": "", "licence": "Attribution", "licence_url": "http://by"},
        **{"url": "http://one, two", "author": "A. Person"},
    }
    assert rows["3.jpg"]["licence"] == "8" and rows["3.jpg"]["author"] == ""
    assert rows["3.jpg"]["url"] == "http://coco/3"
    assert all((target / row["file"]).is_file() for row in rows.values())


def test_images_of_other_licences_are_counted(licensed, target, caplog):
    with caplog.at_level("INFO"):
        done = kseg.prepare(licensed, target, licenses=[4, 8])
    assert done.record()["other_licences"] == 2
    assert "left out with other licences: 2" in caplog.text


def test_without_licences_there_are_no_credits(licensed, target, prepared):
    prepared("--skip-missing")
    assert not (target / "CREDITS.csv").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("9", "--licenses 9: no image of .* has a licence with this id; known are 4, "),
        ("4,,8", "'4,,8' has an empty part; write 4,7,8"),
    ],
)
def test_wrong_licences_are_refused(licensed, error_message, given, message):
    assert re.search(message, error_message("--licenses", given))


def test_panoptic_segmentation_is_named(train, coco, error_message):
    train({"image_id": 1, "file_name": "a.png", "segments_info": []})
    assert error_message() == (
        f"{coco}/annotations/instances_train2017.json: is of panoptic segmentation, "
        "whose masks are PNG files; use the instances_*.json of these images"
    )

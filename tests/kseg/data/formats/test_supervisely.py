import base64
import io
import zlib
from functools import partial

import numpy as np
import pytest
from PIL import Image

from tests.support.masks import filled as filled_boxes

SIZE = (6, 8)
filled = partial(filled_boxes, SIZE)


def polygon(name, exterior, interior=()) -> dict:
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": name, "geometryType": "polygon", "points": points}


def rectangle(name, exterior) -> dict:
    points = {"exterior": exterior, "interior": []}
    return {"classTitle": name, "geometryType": "rectangle", "points": points}


def packed(stencil, mode="L", zipped=True) -> str:
    file = io.BytesIO()
    Image.fromarray(np.asarray(stencil, np.uint8), mode).save(file, "PNG")
    data = zlib.compress(file.getvalue()) if zipped else file.getvalue()
    return base64.b64encode(data).decode("ascii")


def bitmap(name, stencil, origin, **how) -> dict:
    shape = {"data": packed(stencil, **how), "origin": origin}
    return {"classTitle": name, "geometryType": "bitmap", "bitmap": shape}


def content(*objects, tags=(), size=SIZE) -> dict:
    height, width = size
    entries = {"size": {"height": height, "width": width}, "objects": [*objects]}
    return {**entries, "tags": [{"name": tag, "value": None} for tag in tags]}


META = {"classes": [{"title": name, "shape": "any"} for name in ("cat", "bg", "dog")]}
# The ends of polygons are inside: rows 1 to 3, columns 2 to 5, but for the hole.
CAT = polygon("cat", [[2, 1], [5, 1], [5, 3], [2, 3]])
STENCIL = [[0, 255], [255, 255]]


@pytest.fixture
def project(source, save, write):
    """Two data sets with an image of the same name each, and one of an older file."""
    write(source / "meta.json", META)
    for name, objects in (("day", [CAT]), ("night", [bitmap("dog", STENCIL, [6, 4])])):
        save(source / name / "img/a.png")
        write(source / name / "ann/a.png.json", content(*objects))
    save(source / "night/img/b.png")
    write(source / "night/ann/b.json", content(tags=("val",)))
    return source


def test_polygons_and_bitmaps(project, prepared):
    data = prepared("--task", "semantic")
    assert data.class_names == ("background", "cat", "dog")
    assert data.split("val").names == ["b.png"]
    train = data.split("train")
    masks = {name: train.read(i)[1].tolist() for i, name in enumerate(train.names)}
    assert masks == {
        "day_a.png": filled((1, 1, 2, 3, 5)),
        "night_a.png": filled((2, 4, 7, 4, 7), (2, 5, 6, 5, 7)),
    }


def test_holes_and_the_order_of_objects(project, write, masks_of):
    """A hole does not hide what is below; background is drawn on top of an object."""
    ring = polygon(
        "cat", [[0, 0], [7, 0], [7, 5], [0, 5]], [[[3, 2], [4, 2], [4, 3], [3, 3]]]
    )
    below, above = polygon("dog", CAT["points"]["exterior"]), {**CAT}
    above["classTitle"] = "bg"
    write(project / "day/ann/a.png.json", content(below, ring))
    write(project / "night/ann/a.png.json", content(ring, above))
    masks = masks_of()
    assert masks["day_a"] == filled((1, 0, 0, 5, 7), (2, 2, 3, 3, 4))
    assert masks["night_a"] == filled((1, 0, 0, 5, 7), (0, 1, 2, 3, 5))


def test_objects(project, prepared_objects):
    found = prepared_objects("--task", "instance")
    assert found["val"] == {"b.png": []}
    (cat,), (dog,) = found["train"]["day_a.png"], found["train"]["night_a.png"]
    assert (cat.name, cat.box, cat.area) == ("cat", (2, 1, 6, 4), 12)
    assert (dog.name, dog.box, dog.area) == ("dog", (6, 4, 8, 6), 3)


def test_rectangles_are_boxes(project, write, prepared_objects):
    box = rectangle("dog", [[5, 3], [2, 1]])
    write(project / "day/ann/a.png.json", content(box))
    (dog,) = prepared_objects()["train"]["day_a.png"]
    assert (dog.name, dog.box, dog.area) == ("dog", (2, 1, 6, 4), None)


def test_bitmaps_with_alpha_and_without_zlib(project, write, masks_of):
    alpha = np.zeros((2, 2, 4))
    alpha[..., 3] = STENCIL
    shapes = (
        bitmap("cat", alpha, [0, 0], mode="RGBA"),
        bitmap("dog", STENCIL, [-1, 3], zipped=False),
    )
    write(project / "day/ann/a.png.json", content(*shapes))
    expected = filled((1, 0, 1, 0, 1), (1, 1, 0, 1, 1), (2, 3, 0, 4, 0))
    assert masks_of()["day_a"] == expected


def test_data_sets_inside_others(project, save, write, masks_of):
    (project / "day/datasets").mkdir()
    (project / "night").rename(project / "day/datasets/night")
    assert set(masks_of()) == {"a", "datasets_night_a"}


def test_folders_above_data_sets_are_splits(project, prepared):
    for split, name in (("train", "day"), ("val", "night")):
        (project / split).mkdir()
        (project / name).rename(project / split / name)
    found = prepared().splits
    assert {name: split.names for name, split in found.items()} == {
        "train": ["a.png"],
        "val": ["a.png", "b.png"],
    }


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (polygon("cat", [[1, 1], [2, 2]]), "fewer than 3 valid points"),
        (polygon("cat", [[0, 0], [9e9, 0], [1, 1]]), "far outside"),
        (polygon("cat", [[0.1, 0.1], [0.9, 0.1], [0.5, 0.5]]), "fractions"),
        (polygon("cow", CAT["points"]["exterior"]), "'cow' is not in"),
        (
            {**CAT, "points": {**CAT["points"], "interior": 2.5}},
            "has the holes 2.5, which are no list",
        ),
        ({"classTitle": "cat", "geometryType": "bitmap"}, "has no 'bitmap'"),
        (
            {
                "classTitle": "cat",
                "geometryType": "bitmap",
                "bitmap": {"origin": [0, 0], "data": "AAAA"},
            },
            "not an image in base64",
        ),
        (bitmap("cat", np.ones((60, 80)), [0, 0]), "far larger than its image"),
        ({"classTitle": None}, "has no label"),
    ],
)
def test_invalid_objects(project, write, error_message, shape, words):
    path = write(project / "day/ann/a.png.json", content(shape))
    message = error_message("--task", "instance")
    assert str(path) in message
    assert words in message


def test_an_image_of_another_size(project, write, error_message):
    write(project / "day/ann/a.png.json", content(size=(60, 80)))
    message = error_message()
    assert str(project / "day/img/a.png") in message and "60x80" in message


def test_a_missing_image(project, error_message, prepared):
    (project / "night/img/a.png").unlink()
    message = error_message()
    assert str(project / "night/ann/a.png.json") in message and "missing" in message
    assert prepared("--skip-missing").split("train").names == ["a.png"]


def test_points_and_lines_are_counted(project, write, counts_of):
    points = {"exterior": [[1, 1]], "interior": []}
    one = {"classTitle": "cat", "geometryType": "point", "points": points}
    write(project / "day/ann/a.png.json", content(CAT, one))
    counts = counts_of("--task", "instance")
    assert counts["objects"]["skipped"] == {"shapes of type point": 1}
    assert counts["objects"]["images"] == {"cat": 1, "dog": 1}


@pytest.mark.parametrize("tags", (None, 7, ["train", 5], [{"name": ["val"]}]))
def test_tags_of_other_kinds_name_no_split(project, write, prepared, tags):
    given = {**content(CAT), "tags": tags}
    write(project / "day/ann/a.png.json", given)
    assert "day_a.png" in prepared("--task", "semantic").split("train").names

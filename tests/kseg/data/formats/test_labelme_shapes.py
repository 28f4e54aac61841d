"""labelme's shapes as objects. Images are 6x8."""

import base64
import io
import math

import numpy as np
import pytest
from PIL import Image

from tests.kseg.data.formats.conftest import Found

INSTANCE = ("--task", "instance")
BOX = [[5, 3], [2, 1]]
SQUARE = [[2, 2], [4, 2], [4, 4], [2, 4]]
CORNER = [[6, 0], [8, 0], [8, 1], [6, 1]]


def encoded(array) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.array(array, np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shape(label, points, kind="polygon", group=None, **more) -> dict:
    entry = {"label": label, "points": points, "group_id": group, "shape_type": kind}
    return {**entry, **more}


@pytest.fixture
def labelme(source, save, write):
    """Writes the shapes of image a; b has a cat."""

    def labelme(*shapes, height=6, width=8, **more):
        for stem, given in (("a", shapes), ("b", [shape("cat", SQUARE)])):
            save(source / f"{stem}.jpg")
            entry = {"shapes": [*given], "imagePath": f"{stem}.jpg", "imageData": None}
            size = {"imageHeight": height, "imageWidth": width}
            write(source / f"{stem}.json", {**entry, **size})

    return labelme


@pytest.fixture
def found(labelme, objects_of):
    """The objects of image a with these shapes."""

    def found(*shapes):
        labelme(*shapes)
        return objects_of(*INSTANCE)["a.jpg"]

    return found


def test_a_group_may_be_named_by_any_value(found):
    group = [shape("dog", SQUARE, group=["x"]), shape("dog", CORNER, group=["x"])]
    assert found(*group) == [Found("dog", (2, 0, 8, 4), 4 + 2, parts=2)]


def test_coordinates_of_hundreds_of_digits(labelme, error_message):
    labelme(shape("dog", [(10**400, 1), (4, 1), (4, 4)]))
    assert "fewer than 3 valid points" in error_message()


def test_each_shape_is_an_object(found):
    assert found(shape("dog", SQUARE), shape("cat", SQUARE), shape("dog", CORNER)) == [
        Found("dog", (2, 2, 4, 4), 4, parts=1),
        Found("cat", (2, 2, 4, 4), 4, parts=1),
        Found("dog", (6, 0, 8, 1), 2, parts=1),
    ]


def test_a_rectangle_is_an_outline(found):
    """Columns 2 to 4, rows 1 and 2; its corners may be in any order."""
    assert found(shape("cat", BOX, "rectangle")) == [
        Found("cat", (2, 1, 5, 3), 6, parts=1)
    ]


def test_a_circle_has_the_box_of_its_radius(found):
    """Its polygon of 64 corners has nearly the area of the circle."""
    (one,) = found(shape("cat", [[4, 3], [4, 5]], "circle"))
    assert one.box == (2, 1, 6, 5)
    assert one.area == pytest.approx(math.pi * 4, abs=2)


def test_a_mask_is_put_at_its_corner(found):
    stencil = encoded([[1, 0], [1, 1]])
    assert found(shape("cat", [[3, 2], [4, 3]], "mask", mask=stencil)) == [
        Found("cat", (3, 2, 5, 4), 3)
    ]


def test_shapes_of_one_group_are_one_object(found):
    shapes = shape("cat", SQUARE, group=1), shape("cat", CORNER, group=1)
    other = shape("cat", CORNER, group=2), shape("dog", SQUARE, group=1)
    assert found(*shapes, *other) == [
        Found("cat", (2, 0, 8, 4), 4 + 2, parts=2),
        Found("cat", (6, 0, 8, 1), 2, parts=1),
        Found("dog", (2, 2, 4, 4), 4, parts=1),
    ]


def test_a_mask_and_a_polygon_of_one_group_are_joined_as_pixels(found):
    """The mask covers 2 pixels of the square and 1 beside it."""
    stencil = encoded([[1, 1, 1]])
    mask = shape("cat", [[2, 2], [4, 2]], "mask", group=0, mask=stencil)
    assert found(mask, shape("cat", SQUARE, group=0)) == [
        Found("cat", (2, 2, 5, 4), 4 + 1)
    ]


def test_what_has_no_area_is_left_out_and_counted(labelme, counts_of):
    labelme(
        shape("cat", [[1, 1]], "point"),
        shape("cat", [[1, 1], [2, 2]], "line"),
        shape("cat", [[1, 1], [2, 2]], "line"),
        shape("__ignore__", SQUARE),
        shape("cat", [[20, 20], [20, 20]], "mask", mask=encoded([[1]])),
    )
    counts = counts_of(*INSTANCE)["objects"]
    assert counts["classes"] == {"cat": 1}
    assert counts["empty"] == 1
    assert counts["skipped"] == {
        "shapes of type point": 1,
        "shapes of type line": 2,
        "shapes labelled __ignore__": 1,
        "empty masks": 1,
    }


def test_an_embedded_image_has_its_objects(source, write, objects_of, labelme):
    labelme()
    entry = {"shapes": [shape("dog", SQUARE)], "imagePath": "gone.png"}
    image = encoded(np.zeros((6, 8, 3)))
    write(source / "c.json", {**entry, "imageData": image})
    assert objects_of(*INSTANCE)["c.png"] == [Found("dog", (2, 2, 4, 4), 4, parts=1)]


@pytest.mark.parametrize(
    ("one", "words"),
    (
        (1, "a shape has no label"),
        ([1], "a shape has no label"),
        ({"label": "a", "shape_type": [1]}, "a shape 'a' is a [1], which"),
    ),
)
def test_shapes_that_are_none(source, save, write, error_message, one, words):
    save(source / "a.jpg")
    content = {"version": "5", "shapes": [one], "imagePath": "a.jpg"}
    path = write(source / "a.json", content)
    save(source / "b.jpg")
    good = [shape("a", SQUARE)]
    write(source / "b.json", {**content, "shapes": good, "imagePath": "b.jpg"})
    assert error_message().startswith(f"{path}: {words}")

import base64
import io
from functools import partial

import numpy as np
import pytest
from PIL import Image

from tests.support.masks import filled as filled_boxes

SIZE = (6, 8)
filled = partial(filled_boxes, SIZE)


def encoded(array, format="PNG") -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.array(array, np.uint8)).save(buffer, format)
    return base64.b64encode(buffer.getvalue()).decode()


def shape(label, points, kind="polygon", **more) -> dict:
    entry = {"label": label, "points": points, "group_id": None, "description": ""}
    return {**entry, "shape_type": kind, "flags": {}, **more}


def content(*shapes, path="a.jpg", data=None, size=SIZE) -> dict:
    start = {"version": "5.5.0", "flags": {}, "shapes": [*shapes], "imagePath": path}
    height, width = size or (None, None)
    end = {"imageData": data, "imageHeight": height, "imageWidth": width}
    return {**start, **end}


# labelme draws boxes with inclusive ends: rows 1 to 3, columns 2 to 5.
BOX = [[5.0, 3.0], [2.0, 1.0]]


@pytest.fixture
def labelme(source, save, write):
    """Two images; `b` has a cat and a dog, `a` is replaced by the tests."""
    shapes = [shape("dog", BOX, "rectangle"), shape("cat", BOX, "rectangle")]
    for stem in "ab":
        save(source / f"{stem}.jpg")
        write(source / f"{stem}.json", content(*shapes, path=f"{stem}.jpg"))
    return source


@pytest.fixture
def mask_of(labelme, write, masks_of):
    """The mask of image `a` with these shapes, whichever split it is in."""

    def mask_of(*shapes, **more):
        write(labelme / "a.json", content(*shapes, **more))
        found = masks_of("train", "--val-share", "0.5")
        return found.get("a") or read_val(labelme)

    def read_val(folder):
        from kseg.data.open import open_data

        return open_data(str(folder.parent / "data")).split("val").read(0)[1].tolist()

    return mask_of


def test_classes_are_those_of_the_shapes(labelme, prepared):
    data = prepared()
    assert data.class_names == ("background", "cat", "dog")
    assert sorted(n for s in data.splits.values() for n in s.names) == [
        "a.jpg",
        "b.jpg",
    ]


def test_shapes_outside_their_image_are_counted(labelme, write, counts_of):
    far = [shape("cat", [[9, 9], [12, 9], [12, 12]]), shape("cat", BOX, "rectangle")]
    write(labelme / "a.json", content(*far, shape("dog", [[-5, 1], [-3, 1]], "circle")))
    skipped = counts_of()["masks"]["skipped"]
    assert skipped == {"shapes without a pixel in the image": 2}


def test_labels_txt_gives_the_order(labelme, write, prepared):
    write(labelme / "labels.txt", "__ignore__\n_background_\ndog\nbird\ncat\n")
    assert prepared().class_names == ("background", "dog", "bird", "cat")


def test_later_shape_is_drawn_on_top(mask_of):
    later = shape("dog", [[0, 0], [2, 1]], "rectangle")
    mask = mask_of(shape("cat", BOX, "rectangle"), later)
    assert mask == filled((1, 1, 2, 3, 5), (2, 0, 0, 1, 2))


def test_polygon(mask_of):
    corners = [[2, 1], [5, 1], [5, 3], [2, 3]]
    assert mask_of(shape("cat", corners)) == filled((1, 1, 2, 3, 5))


def test_triangle(mask_of):
    """The outline is part of the shape."""
    mask = mask_of(shape("cat", [[1, 0], [5, 4], [1, 4]]))
    expected = np.zeros(SIZE, int)
    for row in range(5):
        expected[row, 1 : row + 2] = 1
    assert mask == expected.tolist()


def test_circle(mask_of):
    """Centre and a point on it: radius 1 about row 3, column 4."""
    mask = np.array(mask_of(shape("cat", [[4, 3], [5, 3]], "circle")))
    assert mask[3, 3:6].tolist() == mask[2:5, 4].tolist() == [1, 1, 1]
    assert (
        mask[:2].max() == mask[5:].max() == mask[:, :3].max() == mask[:, 6:].max() == 0
    )


def test_oriented_rectangle(mask_of):
    corners = [[2, 1], [5, 1], [5, 3], [2, 3]]
    mask = mask_of(shape("cat", corners, "oriented_rectangle"))
    assert mask == filled((1, 1, 2, 3, 5))


def test_mask_at_its_position_and_beyond_the_edge(mask_of):
    stencil = encoded([[1, 0], [1, 1]])
    inside = shape("cat", [[2.2, 1.4], [3, 2]], "mask", mask=stencil)
    outside = shape("dog", [[7, 5], [8, 6]], "mask", mask=stencil)
    expected = filled((1, 1, 2, 2, 2), (1, 2, 3, 2, 3), (2, 5, 7, 5, 7))
    assert mask_of(inside, outside) == expected


def test_background_shapes_are_holes_and_ignored_ones_void(mask_of):
    hole = shape("_background_", [[3, 2], [3, 2]], "rectangle")
    ignored = shape("__ignore__", [[0, 5], [7, 5]], "rectangle")
    mask = mask_of(shape("cat", BOX, "rectangle"), hole, ignored)
    assert mask == filled((1, 1, 2, 3, 5), (0, 2, 3, 2, 3), (255, 5, 0, 5, 7))


def test_no_shapes_is_all_background(mask_of):
    assert mask_of() == filled()


def test_without_a_size_it_is_that_of_the_image(mask_of):
    assert mask_of(shape("cat", BOX, "rectangle"), size=None) == filled((1, 1, 2, 3, 5))


@pytest.mark.parametrize("format, suffix", (("PNG", ".png"), ("JPEG", ".jpg")))
@pytest.mark.parametrize("size", (SIZE, None))
def test_embedded_image(labelme, write, prepared, target, format, suffix, size):
    image = np.random.RandomState(0).randint(0, 256, (*SIZE, 3))
    data = encoded(image, format)
    (labelme / "a.jpg").unlink()
    given = content(shape("cat", BOX, "rectangle"), data=data, size=size)
    write(labelme / "a.json", given)
    prepared()
    (path,) = target.glob(f"*/images/a{suffix}")
    assert path.read_bytes() == base64.b64decode(data)


def test_image_in_another_folder_with_a_windows_path(labelme, write, save, prepared):
    """The name is that of the JSON file, as in labelme's exporters."""
    save(labelme / "photos" / "IMG 7.jpg")
    (labelme / "a.jpg").unlink()
    given = content(shape("cat", BOX, "rectangle"), path="photos\\IMG 7.jpg")
    write(labelme / "a.json", given)
    names = [n for s in prepared().splits.values() for n in s.names]
    assert sorted(names) == ["a.jpg", "b.jpg"]


def test_image_that_was_moved_with_its_json(labelme, write, prepared):
    write(labelme / "a.json", content(path="C:\\somewhere\\a.jpg"))
    names = [n for s in prepared().splits.values() for n in s.names]
    assert sorted(names) == ["a.jpg", "b.jpg"]


def test_folders_are_splits(source, save, write, prepared):
    for split in ("train", "val"):
        save(source / split / "a.jpg")
        given = content(shape(f"in {split}", BOX, "rectangle"))
        write(source / split / "a.json", given)
    data = prepared()
    assert data.class_names == ("background", "in train", "in val")
    assert data.split("val").read(0)[1].tolist() == filled((2, 1, 2, 3, 5))


def test_images_without_json_are_left_out(labelme, save, prepared, capsys):
    save(labelme / "c.jpg")
    prepared()
    assert "left out without labels: 1" in capsys.readouterr().err


# --- errors ---


@pytest.mark.parametrize("text", ("", "{", "[]", "{}", '{"shapes": [{"points": []}]}'))
def test_invalid_json(labelme, write, error_message, text):
    path = write(labelme / "a.json", text)
    assert str(path) in error_message()


@pytest.mark.parametrize(
    "points, kind",
    (
        ([[1, 1], [2, 2]], "polygon"),
        ([[1, 1]], "rectangle"),
        ([[1, 1]], "circle"),
        ([], "mask"),
        ([[1, 1], [2, 2], [3, float("nan")]], "polygon"),
        ([[1, 1], [2, 2], [3]], "polygon"),
        ([[1, 1], [2, 2], ["x", 3]], "polygon"),
        (None, "polygon"),
    ),
)
def test_too_few_or_invalid_points(labelme, write, error_message, points, kind):
    path = write(labelme / "a.json", content(shape("cat", points, kind)))
    message = error_message()
    assert str(path) in message
    assert kind in message and "'cat'" in message


def test_points_far_outside_are_refused(labelme, write, error_message):
    path = write(
        labelme / "a.json", content(shape("cat", [[1, 1], [5, 1], [5, 1e300]]))
    )
    assert error_message().startswith(f"{path}: a polygon 'cat' has points far outside")


def test_rectangles_that_x_anylabeling_rotates(mask_of):
    corners = [[2, 1], [5, 1], [5, 3], [2, 3]]
    assert mask_of(shape("cat", corners, "rotation")) == filled((1, 1, 2, 3, 5))


def test_a_type_that_is_not_known(labelme, write, error_message):
    write(labelme / "a.json", content(shape("cat", BOX, "cuboid")))
    assert "is a cuboid, which is not a type that is read" in error_message()


@pytest.mark.parametrize("kind", ("point", "points", "line", "linestrip"))
def test_shape_without_an_area(labelme, write, error_message, kind):
    path = write(labelme / "a.json", content(shape("cat", [[1, 1], [2, 2]], kind)))
    message = error_message()
    assert str(path) in message
    assert kind in message


@pytest.mark.parametrize("mask", (None, "", "no base64", "AAAA"))
def test_mask_that_is_not_an_image(labelme, write, error_message, mask):
    given = content(shape("cat", [[1, 1], [2, 2]], "mask", mask=mask))
    path = write(labelme / "a.json", given)
    assert str(path) in error_message()


def test_label_missing_in_labels_txt(labelme, write, error_message):
    path = write(labelme / "labels.txt", "__ignore__\n_background_\ncat\n")
    message = error_message()
    assert str(path) in message
    assert "'dog'" in message


def test_missing_image(labelme, write, save, error_message, prepared):
    path = write(labelme / "c.json", content(path="c.jpg"))
    message = error_message()
    assert str(path) in message
    assert str(labelme / "c.jpg") in message
    names = [n for s in prepared("--skip-missing").splits.values() for n in s.names]
    assert sorted(names) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("size", (SIZE, None))
@pytest.mark.parametrize(
    "data", ("/9j/", "/9j/AAAA", "iVBORw0KGgo=", "iVBOR is no base64")
)
def test_invalid_embedded_image(labelme, write, error_message, data, size):
    (labelme / "a.jpg").unlink()
    given = content(shape("cat", BOX, "rectangle"), data=data, size=size)
    path = write(labelme / "a.json", given)
    assert str(path) in error_message()


def test_image_of_another_size(labelme, write, error_message):
    write(labelme / "a.json", content(shape("cat", BOX, "rectangle"), size=(7, 8)))
    message = error_message()
    assert str(labelme / "a.jpg") in message
    assert "6x8" in message and "7x8" in message


def test_equal_stems_in_two_folders_stay_two_frames(
    labelme, save, write, prepared, target
):
    for folder in ("day", "night"):
        path = save(labelme / folder / "c.jpg")
        given = content(shape("cat", BOX, "rectangle"), path="c.jpg")
        write(labelme / folder / "c.json", given)
    prepared()
    found = {p.name: p for p in target.glob("*/images/*c.jpg")}
    assert set(found) == {"day_c.jpg", "night_c.jpg"}
    assert found["night_c.jpg"].read_bytes() == path.read_bytes()


def test_an_image_of_two_files_is_refused(labelme, write, error_message):
    path = write(labelme / "copy.json", content(shape("cat", BOX, "rectangle")))
    message = error_message()
    assert message.startswith(f"{labelme / 'a.jpg'}: is labelled twice")
    assert str(path) in message and str(labelme / "a.json") in message


def test_a_label_that_is_a_number(labelme, write, prepared):
    write(labelme / "a.json", content({**shape("cat", BOX, "rectangle"), "label": 7}))
    assert "7" in prepared().class_names


def test_points_that_are_shares_are_refused(labelme, write, error_message):
    corners = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8]]
    path = write(labelme / "a.json", content(shape("cat", corners, "polygon")))
    for options in ((), ("--task", "instance")):
        assert error_message(*options).startswith(f"{path}: a polygon 'cat' has points")


@pytest.mark.parametrize(
    ("label", "words"),
    ((1.5, "the label 1.5, not text"), (None, "no label"), ("  ", "an empty label")),
)
def test_a_label_that_is_none(labelme, write, error_message, label, words):
    given = content({**shape("cat", BOX, "rectangle"), "label": label})
    path = write(labelme / "a.json", given)
    assert error_message().startswith(f"{path}: a shape has {words}")


def test_too_many_classes(labelme, write, error_message):
    shapes = [shape(f"c{i}", BOX, "rectangle") for i in range(255)]
    write(labelme / "a.json", content(*shapes))
    assert "258 classes" in error_message()


def test_files_in_folders_of_folders_are_read(labelme, save, write, masks_of):
    """Their split is that of the nearest folder that names one."""
    save(labelme / "val/day/c.jpg")
    shapes = [shape("dog", BOX, "rectangle")]
    write(labelme / "val/day/c.json", content(*shapes, path="c.jpg"))
    write(labelme / "val/day/other.json", {"not": "labelme's"})
    assert masks_of("val") == {"c": filled((2, 1, 2, 3, 5))}


def test_images_may_be_in_a_folder_of_their_own(source, save, write, prepared):
    for split in ("train", "val"):
        for stem in "ab":
            save(source / f"images/{split}/{stem}.jpg")
        box = shape("dog", BOX, "rectangle")
        write(source / f"labels/{split}/a.json", content(box))
    data = prepared()
    assert {name: split.names for name, split in data.splits.items()} == {
        "train": ["a.jpg"],
        "val": ["a.jpg"],
    }

import json
import logging

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.data.objects_file import (
    LabelledImage,
    LabelledObject,
    boxes_of,
    inspect_objects,
    objects_of,
    read_objects,
    write_objects,
)

SIZE = (40, 60)
SQUARE = [10, 20, 30, 20, 30, 36, 10, 36]


def annotation(number, **changes):
    """A square of class a in image 1."""
    shift = 0 if isinstance(number, str) else number
    return {
        "id": number,
        "image_id": 1,
        "category_id": 5,
        "bbox": [10, 20, 20, 16 - shift % 3],
        "segmentation": [[*SQUARE[:-1], 36 + shift % 3]],
        **changes,
    }


def content_of(*annotations):
    return {
        "images": [
            {"id": 1, "file_name": "a.jpg", "height": 40, "width": 60},
            {"id": "2", "file_name": "b.jpg", "height": 40, "width": 60},
        ],
        "annotations": list(annotations),
        "categories": [{"id": 5, "name": "a"}, {"id": 7, "name": "b"}],
    }


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "objects.json"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_what_is_written_is_read(tmp_path):
    square = np.float64(SQUARE).reshape(-1, 2)
    objects = (
        LabelledObject(1, (10.0, 20.0, 30.0, 36.0), (square, square + 5)),
        LabelledObject(0, (0.5, 1.25, 7.0, 9.0), crowd=True),
    )
    images = [LabelledImage("a.jpg", SIZE, objects), LabelledImage("b.jpg", SIZE, ())]
    write_objects(tmp_path / "objects.json", ("x", "y"), images)
    content = json.loads((tmp_path / "objects.json").read_text(encoding="utf-8"))
    # Two squares of 16 x 20 that share 11 x 15 pixels, one with a row of 20 pixels
    # below the image; a box of 6.5 x 7.75.
    areas = [each["area"] for each in content["annotations"]]
    assert areas == [2 * 320 - 165 - 20, 50.375]
    found = read_objects(tmp_path / "objects.json")
    assert found.class_names == ("x", "y")
    assert list(found.images) == ["a.jpg", "b.jpg"]
    one, other = found.images["a.jpg"].objects
    assert (one.class_id, one.box, one.crowd) == (1, (10, 20, 30, 36), False)
    for polygon, expected in zip(one.polygons, (square, square + 5), strict=True):
        np.testing.assert_array_equal(polygon, expected)
    assert (other.class_id, other.box) == (0, (0.5, 1.25, 7, 9))
    assert other.crowd and not other.outlined
    assert found.images["b.jpg"] == LabelledImage("b.jpg", SIZE, ())


def test_ids_are_compared_as_text(write):
    path = write(
        content_of(
            annotation(1, image_id="1", category_id="7"),
            annotation("x", image_id=2, category_id=7.0),
        )
    )
    found = read_objects(path)
    assert [len(image.objects) for image in found.images.values()] == [1, 1]
    assert found.images["b.jpg"].objects[0].class_id == 1


def test_a_missing_box_is_that_of_the_outline(write):
    each = annotation(0)
    del each["bbox"]
    (found,) = read_objects(write(content_of(each))).images["a.jpg"].objects
    assert found.box == (10, 20, 30, 36)
    runs = {"size": [40, 60], "counts": [41, 2, 38, 2, 40 * 60 - 83]}
    path = write(content_of(annotation(0, bbox=None, segmentation=runs)))
    (found,) = read_objects(path).images["a.jpg"].objects
    assert found.box == (1, 1, 3, 3) and found.rle == runs


def test_a_missing_outline_leaves_the_box(write):
    each = annotation(0)
    del each["segmentation"]
    (found,) = read_objects(write(content_of(each))).images["a.jpg"].objects
    assert found.box == (10, 20, 30, 36) and not found.outlined


def test_a_box_that_reaches_beyond_its_image_is_clipped_and_logged(write, caplog):
    path = write(content_of(annotation(1, bbox=[-5, 30, 20, 16], segmentation=[])))
    with caplog.at_level(logging.INFO):
        (found,) = read_objects(path).images["a.jpg"].objects
    assert found.box == (0, 30, 15, 40)
    assert "clipped: 1, the first annotation 1 of" in caplog.text


RUNS = {"size": [40, 60], "counts": [10, 5]}


@pytest.mark.parametrize(
    ("annotations", "words"),
    (
        ([annotation(1, image_id=3)], "annotation 1 is of image 3, which is not in"),
        (
            [annotation(1, category_id=6)],
            r"annotation 1 \(image a.jpg\) has category 6, which is not in",
        ),
        (
            [annotation(1, bbox=[0.1, 0.2, 0.5, 0.5], segmentation=[])],
            "fractions of the image",
        ),
        ([annotation(1, bbox=[1, 2, 0, 5])], "box of width 0 and height 5"),
        ([annotation(1, bbox=[1, 2, 4, -5])], "box of width 4 and height -5"),
        ([annotation(1, bbox=[1, 2, float("nan"), 5])], "must be finite"),
        ([annotation(1, bbox=[10**400, 2, 3, 4])], "must be finite"),
        ([annotation(1, bbox=[1, 2, 3])], "must be x, y, width, height"),
        ([annotation(1, bbox=["1", 2, 3, 4])], "must be x, y, width, height"),
        ([annotation(1, bbox=[60, 2, 3, 4])], "wholly outside its image of 40x60"),
        ([annotation(1, bbox=[2, -9, 3, 9])], "x 2 to 5, y -9 to 0"),
        (
            [annotation(1, segmentation=[[70, 1, 75, 1, 75, 9]])],
            "wholly outside .*: x 70 to 75",
        ),
        ([annotation(1, segmentation=RUNS)], "run lengths of 15 pixels"),
        ([annotation(1, segmentation=[[1, 1, 5, 5]])], "at least 3 points"),
        ([annotation(1, bbox=None, segmentation=None)], "neither a box nor an outline"),
        ([annotation(1, iscrowd="x")], "iscrowd 'x'; it must be 0 or 1"),
        (
            [annotation(1), annotation("1", bbox=[1, 1, 2, 2])],
            "annotation 1 .* has the id of another",
        ),
        ([annotation(1), annotation(4)], "annotation 4 .* repeats class, box and"),
        (
            [annotation(1, bbox=None, segmentation=[[1, 1, 5, 1, 3, 1]])],
            "box without area: x 1 to 5, y 1 to 1",
        ),
    ),
)
def test_annotations_that_cannot_be_used(write, annotations, words):
    path = write(content_of(*annotations))
    with pytest.raises(InputError, match=words) as caught:
        read_objects(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: annotation ") and "\n" not in text


def test_an_empty_mask_is_refused(write):
    runs = {"size": [40, 60], "counts": [2400]}
    with pytest.raises(InputError, match="annotation 1 .* has an empty outline"):
        read_objects(write(content_of(annotation(1, segmentation=runs))))


def test_all_issues_are_collected_and_the_other_objects_kept(write):
    path = write(
        content_of(
            annotation(1, bbox=[1, 2, 0, 5]),
            annotation(2),
            annotation(3, category_id=9),
            {"image_id": 4, "category_id": 5},
        )
    )
    found, issues = inspect_objects(path, "val")
    assert [issue.kind for issue in issues] == [
        *("boxes", "unknown category", "unknown image"),
    ]
    assert {issue.split for issue in issues} == {"val"}
    assert issues[0].name == str(path.parent / "images" / "a.jpg")
    assert "annotation number 4 is of image 4" in issues[2].error
    assert len(found.images["a.jpg"].objects) == 1


def changed(key, entry):
    content = content_of()
    content[key].append(entry)
    return content


SAME_ID = {"id": "1", "file_name": "c.jpg", "height": 4, "width": 4}
SAME_NAME = {"id": 9, "file_name": "a.jpg", "height": 4, "width": 4}
SAME_CATEGORY = {"id": "5", "name": "c"}
NO_SIZE = {"id": 9, "file_name": "c.jpg", "height": None, "width": 4}


@pytest.mark.parametrize(
    ("content", "words"),
    (
        ('{"images": [', "not valid JSON"),
        ("\0", "not valid JSON"),
        ("[]", "not COCO's format"),
        ({"images": [], "annotations": []}, "'categories' must be a list"),
        (changed("images", {"id": 3}), "'images' must be a list of objects with id"),
        (changed("annotations", {"id": 3}), "'annotations' must be a list"),
        (changed("images", SAME_ID), "two images have the id 1"),
        (changed("images", SAME_NAME), "two images have the file_name a.jpg"),
        (changed("images", NO_SIZE), "image c.jpg has the size Nonex4"),
        ("[" * 100_000, "not valid JSON"),
        (changed("categories", SAME_CATEGORY), "'a' and 'c' have the same id 5"),
        (changed("categories", {"id": 9, "name": "c\nd"}), "category 9 has the name"),
        (changed("categories", {"id": 9, "name": None}), "None, which is not text"),
        (changed("categories", {"id": 9, "name": " "}), "' ', which is empty"),
    ),
)
def test_files_that_cannot_be_read(write, content, words):
    path = write(content)
    with pytest.raises(InputError, match=words) as caught:
        read_objects(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="objects.json: cannot be read"):
        read_objects(tmp_path / "objects.json")


# --- objects ---


def test_masks_are_cut_to_tight_boxes():
    """The box of the file is wider than the polygon, x 10 to 30 and y 20 to 36."""
    square = np.float64(SQUARE).reshape(-1, 2)
    each = LabelledObject(2, (5.0, 5.0, 50.0, 39.0), (square,))
    found = objects_of(LabelledImage("a", SIZE, (each,)))
    assert found.boxes.tolist() == [[10, 20, 30, 36]]
    assert found.boxes.dtype == np.float32 and found.class_ids.dtype == np.int32
    assert found.masks[0].shape == (16, 20) and found.masks[0].all()
    assert found.class_ids.tolist() == [2] and found.crowd.tolist() == [False]
    assert boxes_of(LabelledImage("a", SIZE, (each,))).boxes.tolist() == [
        [5, 5, 50, 39]
    ]


def test_a_crowd_without_an_outline_is_its_box():
    crowd = LabelledObject(0, (1.5, 2.0, 4.0, 5.5), crowd=True)
    found = objects_of(LabelledImage("a", SIZE, (crowd,)))
    assert found.boxes.tolist() == [[1, 2, 4, 6]]
    assert found.masks[0].shape == (4, 3) and found.crowd.all()


def test_without_outlines_there_are_no_masks():
    found = objects_of(LabelledImage("a", SIZE, (LabelledObject(0, (1, 2, 4, 5.5)),)))
    assert found.masks is None and found.boxes.tolist() == [[1, 2, 4, 5.5]]


def test_an_image_without_objects():
    found = objects_of(LabelledImage("a", SIZE, ()))
    assert found.boxes.shape == (0, 4) and found.masks == ()
    assert found.class_ids.dtype == np.int32 and found.crowd.dtype == bool
    assert boxes_of(LabelledImage("a", SIZE, ())).masks is None

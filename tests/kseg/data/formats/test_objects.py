import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.data.formats.objects import (
    POINT_ROTATIONS,
    check_points,
    check_sides,
    decode,
    ellipse,
    fitted,
    joined,
    of_box,
    of_mask,
    of_polygons,
)
from kseg.data.formats.source import SourceObjects, SourcePair
from kseg.data.masks import rotate_like

SIZE = (4, 6)  # as stored
MASK = np.zeros(SIZE, bool)
MASK[0:2, 1:4] = True
MASK[1, 4] = True
BOX = (1.0, 0.0, 5.0, 2.0)
L_SHAPE = np.array([(1, 0), (4, 0), (4, 1), (5, 1), (5, 2), (1, 2)])


@pytest.fixture
def photo(tmp_path):
    """Saves a photo of SIZE with an EXIF orientation."""

    def photo(orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.jpg"
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(path, exif=exif)
        return path

    return photo


@pytest.mark.parametrize("orientation", POINT_ROTATIONS)
@pytest.mark.parametrize(
    "one", (of_mask(0, MASK), of_polygons(0, [L_SHAPE])), ids=("mask", "polygon")
)
def test_outlines_turn_like_masks(photo, orientation, one):
    """The rotation of masks is tested with the formats of masks."""
    path = photo(orientation)
    expected = rotate_like(path, MASK)
    found = fitted(SourceObjects(SIZE, (one,)), path, SIZE[::-1], path).objects
    assert decode(found[0], SIZE[::-1]).tolist() == expected.tolist()
    rows, columns = np.nonzero(expected)
    assert found[0].box == (
        columns.min(),
        rows.min(),
        columns.max() + 1,
        rows.max() + 1,
    )


@pytest.mark.parametrize("orientation", POINT_ROTATIONS)
def test_boxes_turn_like_outlines(photo, orientation):
    path = photo(orientation)
    shapes = SourceObjects(SIZE, (of_box(0, BOX), of_polygons(0, [L_SHAPE])))
    box, outline = fitted(shapes, path, SIZE[::-1], path).objects
    assert box.box == outline.box


def test_objects_labelled_upright_stay(photo):
    one = of_box(0, (1.0, 2.0, 3.0, 4.0))
    path = photo(6)
    found = fitted(SourceObjects(SIZE[::-1], (one,)), path, SIZE[::-1], path)
    assert found.objects == (one,)


def test_a_mask_and_a_box_are_joined_as_pixels():
    """7 pixels, and a box of 2 of which 1 is among them."""
    parts = [of_mask(3, MASK), of_box(3, (4.0, 1.0, 6.0, 2.0))]
    one = joined(parts, SIZE)
    assert one.class_id == 3
    assert decode(one, SIZE).sum() == 7 + 1
    assert one.box == (1, 0, 6, 2)


def test_objects_that_are_labelled_twice_are_left_out_once(photo):
    """objects.json may not repeat an object, so that none counts twice."""
    path = photo(1)
    twice = (of_box(0, BOX), of_box(0, BOX), of_box(1, BOX), of_polygons(0, [L_SHAPE]))
    found = fitted(SourceObjects(SIZE, twice), path, SIZE, path)
    assert [each.class_id for each in found.objects] == [0, 1, 0]
    assert found.skipped == {"objects that are labelled twice": 1}


def test_points_far_outside_are_refused_before_they_are_drawn(photo):
    pair = SourcePair("a", photo(1))
    near, far = ([*L_SHAPE[:-1], (x, 2)] for x in (-60, 1e9))
    check_points(pair, SourceObjects(SIZE, (of_polygons(0, [near]),)))
    with pytest.raises(InputError, match="1.jpg: an object has points far outside"):
        check_points(pair, SourceObjects(SIZE, (of_polygons(0, [far]),)))


def test_an_ellipse_has_its_area():
    x, y = ellipse(10, 20, 4, 2).T
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert area == pytest.approx(np.pi * 8, rel=0.002)


@pytest.mark.parametrize(
    ("box", "words"),
    (
        ((5, 1, 2, 3), "a.json: the box has a negative side: width -3, height 2"),
        ((1, 5, 1, 4.5), "width 0, height -0.5; correct or remove it"),
        ((1, 2, 1, 2), ""),
    ),
)
def test_negative_sides(box, words):
    """A box without area is left out later, and counted."""
    if words:
        with pytest.raises(InputError, match=words):
            check_sides(box, "a.json")
    else:
        assert check_sides(box, "a.json") == box

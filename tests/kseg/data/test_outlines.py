import numpy as np
import pytest
from pycocotools import mask as coco_mask

from kseg.data.outlines import bounds, draw_outline, read_outline

SIZE = (6, 8)
SQUARE = [1, 2, 5, 2, 5, 4, 1, 4]  # x 1 to 5, y 2 to 4
# Column by column: 6 empty, then rows 1 to 2 of column 1 and of column 2.
COUNTS = [7, 2, 4, 2, 33]


def test_a_square_covers_its_pixels():
    polygons, runs = read_outline([SQUARE], SIZE)
    assert runs is None and polygons[0].shape == (4, 2)
    assert bounds(polygons, runs) == (1, 2, 5, 4)
    box, mask = draw_outline(polygons, runs, SIZE)
    assert box == (1, 2, 5, 4)
    assert mask.shape == (2, 4) and mask.all()


def test_a_polygon_may_be_a_plain_list_and_empty_parts_are_left_out():
    assert len(read_outline(SQUARE, SIZE)[0]) == 1
    assert len(read_outline([[], SQUARE], SIZE)[0]) == 1
    for empty in (None, [], [[]]):
        assert read_outline(empty, SIZE) == ((), None)


def test_several_polygons_are_parts_of_one_object():
    parts = [[0, 0, 2, 0, 2, 2, 0, 2], [5, 3, 8, 3, 8, 6, 5, 6]]
    box, mask = draw_outline(*read_outline(parts, SIZE), SIZE)
    assert box == (0, 0, 8, 6)
    assert mask[:2, :2].all() and mask[3:, 5:].all() and mask.sum() == 4 + 9


@pytest.mark.parametrize("text", (False, True))
def test_run_lengths_as_list_and_as_text(text):
    runs = {"size": [6, 8], "counts": COUNTS}
    if text:
        packed = coco_mask.frPyObjects(runs, 6, 8)
        runs = {"size": [6, 8], "counts": packed["counts"].decode()}
    outline = read_outline(runs, SIZE)
    assert bounds(*outline) == (1, 1, 3, 3)
    box, mask = draw_outline(*outline, SIZE)
    assert box == (1, 1, 3, 3)
    assert mask.shape == (2, 2) and mask.all()


def test_sides_given_as_text_are_numbers():
    outline = read_outline({"size": ["6", "8"], "counts": COUNTS}, SIZE)
    assert outline[1] == {"size": [6, 8], "counts": COUNTS}
    assert bounds(*outline) == (1, 1, 3, 3)


def test_a_part_of_the_image_gives_the_same_mask_as_all_of_it():
    random = np.random.RandomState(0)
    for _ in range(50):
        polygon = random.uniform(-15, 75, (random.randint(3, 9), 2))
        parts = [polygon.ravel().tolist()]
        runs = coco_mask.merge(coco_mask.frPyObjects(parts, 48, 64))
        whole = coco_mask.decode(runs).astype(bool)
        drawn = draw_outline((polygon,), None, (48, 64))
        result = np.zeros((48, 64), bool)
        if drawn:
            (x0, y0, x1, y1), mask = drawn
            result[y0:y1, x0:x1] = mask
            assert mask.any(0)[[0, -1]].all() and mask.any(1)[[0, -1]].all()
        np.testing.assert_array_equal(result, whole)


def test_an_outline_without_a_pixel_is_nothing():
    assert draw_outline((np.array([[1.0, 1], [5, 1], [3, 1]]),), None, SIZE) is None
    assert draw_outline((np.array([[20.0, 1], [25, 1], [22, 4]]),), None, SIZE) is None


def runs_of(counts, size=(6, 8)):
    return {"size": list(size), "counts": counts}


@pytest.mark.parametrize(
    ("outline", "words"),
    (
        ([[1, 1, 4, 4]], "polygon of 4 numbers; it must be x and y of at least 3"),
        ([[1, 1, 4, 4, 2, 5, 7]], "polygon of 7 numbers"),
        ([[1, 1, 4, 4, 2, float("nan")]], "far outside its image of 6x8 or no numbers"),
        ([[1, 1, 4, 4, 2, 81]], "far outside"),
        ([["a", 1, 4, 4, 2, 8]], "no list of numbers"),
        (7, "neither polygons nor run lengths"),
        (runs_of([7, 2, 4]), "run lengths of 13 pixels, but its image has 48"),
        (runs_of([50, -2]), "run lengths of 48 pixels and negative ones"),
        (runs_of(COUNTS, (8, 6)), "run lengths for 8x6, but its image is 6x8"),
        (runs_of(None), "cannot be read"),
        (runs_of("ä"), "cannot be read"),
        (runs_of("0o"), "run lengths of 0 pixels"),
        ({"counts": COUNTS}, "cannot be read"),
        ([[1, 1, 4, 4, 2, 10**400]], "no list of numbers"),
        (runs_of(COUNTS, (float("inf"), 8)), "cannot be read"),
        (runs_of([7.5, 2, 4, 2, 32.5]), "not whole numbers"),
        (runs_of([float("nan"), 2]), "not whole numbers"),
    ),
)
def test_outlines_that_cannot_be_used(outline, words):
    with pytest.raises(ValueError, match=words):
        read_outline(outline, SIZE)

import cv2
import numpy as np
import pytest

from kseg.evaluation.metrics.boundary import (
    boundary_counts,
    boundary_distance,
    boundary_iou,
    near_boundary,
)

# fmt: off
SQUARE = np.array([[0, 0, 0, 0, 0],
                   [0, 1, 1, 1, 0],
                   [0, 1, 1, 1, 0],
                   [0, 1, 1, 1, 0],
                   [0, 0, 0, 0, 0]])
# At the border of the image, which is no boundary.
MOVED = np.array([[0, 0, 0, 0, 0],
                  [0, 0, 1, 1, 1],
                  [0, 0, 1, 1, 1],
                  [0, 0, 1, 1, 1],
                  [0, 0, 0, 0, 0]])
# fmt: on


def test_boundary_of_a_square():
    # All of the square but its centre; all of the background, which is one pixel wide.
    assert boundary_counts(SQUARE, SQUARE, 2, 1).tolist() == [[16, 16], [8, 8]]
    # Of the moved square all but (2, 3) and (2, 4) are near its boundary, 7 pixels. Of
    # these (1, 2), (1, 3), (3, 2) and (3, 3) are near the true one: 4 of 8 + 7 - 4.
    # Of the background 11 pixels are near, in columns 1 to 4; 8 are background in the
    # mask too.
    assert boundary_counts(SQUARE, MOVED, 2, 1).tolist() == [[8, 19], [4, 11]]


def test_boundary_is_measured_along_rows_and_columns_alike():
    mask = np.zeros((7, 7), int)
    mask[3, 3] = 1  # 5x5 pixels are near it, itself included
    assert boundary_counts(mask, mask, 2, 2).tolist() == [[24, 24], [1, 1]]


@pytest.mark.parametrize(
    ("distance", "near"), [(1, 1), (2, 2), (3, 3), (4, 3), (99, 3)]
)
def test_boundary_is_as_wide_as_the_distance(distance, near):
    mask = np.array([[0, 0, 0, 1, 1, 1]] * 2)
    expected = [[2 * near] * 2] * 2
    assert boundary_counts(mask, mask, 2, distance).tolist() == expected


def test_a_boundary_that_is_off_by_one():
    # Two pixels on each side of the boundary: columns 4 and 5, and 5 and 6.
    mask, labels = (np.array([[0] * n + [1] * (12 - n)]) for n in (6, 7))
    assert boundary_counts(mask, labels, 2, 2).tolist() == [[1, 3], [1, 3]]


@pytest.mark.parametrize(("distance", "near"), [(1, 0), (2, 1), (3, 2)])
def test_void_is_no_boundary_and_not_counted(distance, near):
    # Class 1 is two pixels from class 0, whatever is predicted for the void between.
    mask = np.array([[0, 0, 255, 1, 1]])
    for predicted in (0, 1, 2):
        labels = np.array([[0, 0, predicted, 1, 1]])
        counts = boundary_counts(mask, labels, 3, distance)
        assert counts.tolist() == [[near, near], [near, near], [0, 0]]


def test_another_void():
    mask, labels = np.array([[0, 7, 1]]), np.array([[0, 0, 1]])
    counts = boundary_counts(mask, labels, 2, 1, ignore_index=7)
    assert counts.tolist() == [[0, 0], [0, 0]]


def test_absent_classes_have_no_boundary():
    # Class 1 is only in the mask, class 2 only predicted, class 3 in neither.
    mask, labels = np.array([[0, 0, 1, 1]]), np.array([[2, 2, 0, 0]])
    counts = boundary_counts(mask, labels, 4, 1)
    assert counts.dtype == np.int64
    assert counts.tolist() == [[0, 2], [0, 1], [0, 1], [0, 0]]


def test_an_image_of_one_class_has_no_boundary():
    mask = np.full((4, 5), 2)
    assert not boundary_counts(mask, mask, 3, 1).any()


def eroded_counts(mask, labels, num_classes, distance):
    """`boundary_counts` by OpenCV: a region minus its erosion."""
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    beyond = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 1}
    void, counts = mask == 255, []
    for index in range(num_classes):
        regions = []
        for ids in (mask, labels):
            held = ((ids == index) | void).astype(np.uint8)
            kept = cv2.erode(held, kernel, **beyond).astype(bool)
            regions.append((ids == index) & ~void & ~kept)
        both, either = np.logical_and(*regions), np.logical_or(*regions)
        counts.append([int(both.sum()), int(either.sum())])
    return counts


@pytest.mark.parametrize("void", (0.0, 0.02))
@pytest.mark.parametrize("distance", (1, 2, 5))
@pytest.mark.parametrize("size", ((40, 56), (17, 3), (1, 30)))
def test_boundary_equals_erosion(size, distance, void):
    random = np.random.RandomState(distance)
    coarse = random.randint(0, 3, (2, 8, 8)).astype(np.uint8)  # class 3 is absent
    mask, labels = (
        cv2.resize(ids, size[::-1], interpolation=cv2.INTER_NEAREST) for ids in coarse
    )
    mask[random.uniform(size=size) < void] = 255
    counts = boundary_counts(mask, labels, 4, distance)
    assert counts.tolist() == eroded_counts(mask, labels, 4, distance)
    assert counts[:3].all() or min(size) < 40


def test_pixels_near_another_class_are_near_the_boundary():
    ids = np.ones((4, 6), int)
    ids[0, 0] = 0
    near = near_boundary(ids, np.zeros(ids.shape, bool), 2)
    assert near[:3, :3].all() and near.sum() == 9
    assert not near_boundary(np.ones((2, 2), int), np.zeros((2, 2), bool), 5).any()


def test_the_largest_id_differs_from_void():
    # 254 is the largest class id.
    mask = np.array([[254, 255, 254, 0, 255]])
    near = near_boundary(mask, mask == 255, 1)
    assert near.tolist() == [[False, False, True, True, False]]


def test_the_distance_is_a_fiftieth_of_the_diagonal():
    assert boundary_distance((60, 80)) == 2
    assert boundary_distance((3, 4)) == 1  # never 0


def test_boundary_iou_is_the_ratio_of_the_sums():
    # Class 0 has one of three and two of two pixels; class 1 has no boundary.
    counts = np.array([[1, 3], [0, 0]]) + np.array([[2, 2], [0, 0]])
    iou = boundary_iou(counts)
    assert iou[0] == 3 / 5 and np.isnan(iou[1])

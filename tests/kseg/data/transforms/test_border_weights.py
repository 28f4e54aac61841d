from math import exp, hypot, inf

import cv2
import numpy as np
import pytest

from kseg.data.transforms.border_weights import border_weights, two_distances

VOID = 255


def row(*ids):
    return np.array([ids], np.uint8)


def between(*distances, sigma=5.0, w0=10.0):
    """The second term for pairs (d1, d2)."""
    return [w0 * exp(-((a + b) ** 2) / (2 * sigma**2)) for a, b in distances]


def scene(count, size=(120, 160), seed=0):
    """Circles of three classes, some of them overlapping."""
    random = np.random.RandomState(seed)
    mask = np.zeros(size, np.uint8)
    for _ in range(count):
        centre = (int(random.randint(size[1])), int(random.randint(size[0])))
        label = int(random.randint(1, 4))
        cv2.circle(mask, centre, int(random.randint(3, 12)), label, -1)
    return mask


def by_brute_force(mask, w0, sigma):
    """Equation 2 with one distance map over the whole image for each object."""
    distances = []
    for label in set(np.unique(mask)) - {0, VOID}:
        of_class = (mask == label).astype(np.uint8)
        count, parts = cv2.connectedComponents(of_class, connectivity=4)
        for part in range(1, count):
            outside = (parts != part).astype(np.uint8)
            distances.append(cv2.distanceTransform(outside, cv2.DIST_L2, 0))
    first, second = np.sort(distances, axis=0)[:2].astype(np.float64)
    extra = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    return 1 + extra * (mask == 0)


def test_gap_by_hand():
    weights = border_weights(row(1, 0, 0, 0, 2), w0=10)
    extra = between((1, 3), (2, 2), (3, 1))
    np.testing.assert_allclose(weights[0], [1, *(1 + e for e in extra), 1], rtol=1e-6)
    assert weights.dtype == np.float32


def test_second_object_at_a_larger_distance():
    weights = border_weights(row(1, 0, 2, 0, 0), w0=10)
    extra = between((1, 1), (1, 3), (2, 4))
    by_hand = [1, 1 + extra[0], 1, 1 + extra[1], 1 + extra[2]]
    np.testing.assert_allclose(weights[0], by_hand, rtol=1e-6)


def test_distances_are_euclidean():
    mask = np.zeros((20, 30), np.uint8)
    mask[2, 3], mask[14, 25], mask[19, 0] = 1, 1, 2
    first, second = two_distances(mask, reach=100)
    for y, x in ((0, 0), (10, 10), (19, 29), (7, 20)):
        others = sorted(hypot(y - v, x - u) for v, u in ((2, 3), (14, 25), (19, 0)))
        assert first[y, x] == pytest.approx(others[0], rel=1e-5)
        assert second[y, x] == pytest.approx(others[1], rel=1e-5)


def test_nothing_is_added_on_objects_and_void():
    mask = row(1, 0, VOID, 0, 2)
    weights = border_weights(mask, w0=10)[0]
    assert weights[[0, 2, 4]].tolist() == [1, 1, 1]
    assert (weights[[1, 3]] > 5).all()


@pytest.mark.parametrize(
    "mask",
    (
        np.zeros((6, 7), np.uint8),
        np.full((6, 7), VOID, np.uint8),
        row(0, 0, 1, 1, 0),
        row(0, VOID, 1, 1, 0),
        row(1),
    ),
)
def test_fewer_than_two_objects_add_nothing(mask):
    np.testing.assert_array_equal(border_weights(mask, w0=10), np.ones(mask.shape))


def test_components_of_one_class_are_separate_objects():
    same, other = row(1, 1, 0, 1, 1), row(1, 1, 0, 2, 2)
    np.testing.assert_array_equal(border_weights(same, 10), border_weights(other, 10))
    assert border_weights(same, 10)[0, 2] == pytest.approx(1 + between((1, 1))[0])


def test_touching_classes_are_two_objects():
    weights = border_weights(row(1, 2, 0, 0), w0=10)[0]
    extra = between((1, 2), (2, 3))
    np.testing.assert_allclose(weights, [1, 1, 1 + extra[0], 1 + extra[1]], rtol=1e-6)


def test_diagonal_gap_of_one_pixel_separates():
    mask = 1 - np.eye(9, dtype=np.uint8)
    weights = border_weights(mask, w0=10)
    np.testing.assert_allclose(np.diag(weights), 1 + between((1, 1))[0], rtol=1e-6)


def test_class_weights():
    mask = row(0, 1, 2, VOID)
    weights = border_weights(mask, w0=0, class_weights=(0.5, 2, 3))
    assert weights.tolist() == [[0.5, 2, 3, 1]]
    with_border = border_weights(row(1, 0, 1), w0=10, class_weights=(0.5, 2))
    np.testing.assert_allclose(with_border[0, 1], 0.5 + between((1, 1))[0], rtol=1e-6)


@pytest.mark.parametrize("sigma", (2.0, 5.0))
@pytest.mark.parametrize("count", (2, 6, 30))
def test_limited_reach_gives_the_same_weights(count, sigma):
    mask = scene(count)
    mask[:10, :10] = VOID
    expected = by_brute_force(mask, 10, sigma)
    np.testing.assert_allclose(border_weights(mask, 10, sigma), expected, atol=1e-4)


def test_out_of_reach_is_infinite():
    first, second = two_distances(row(1, *[0] * 9, 1), reach=4)
    assert first[0].tolist() == [0, 1, 2, 3, 4, inf, 4, 3, 2, 1, 0]
    assert np.isinf(second).all()


def test_mask_is_not_changed():
    mask = scene(6)
    before = mask.copy()
    border_weights(mask, 10)
    np.testing.assert_array_equal(mask, before)

"""Polygons to pixels: centres worked out by hand."""

import cv2
import numpy as np
import pytest

from edge.zones.rasterizing import rasterized, zone_pixels
from edge.zones.zone import WHOLE

TRIANGLE = [(0, 0), (1, 0), (0, 1)]


def test_a_pixel_is_inside_if_its_centre_is():
    # Centres of a 4x4 frame are at 1/8, 3/8, 5/8, 7/8; those with x + y < 1 are inside.
    # On the diagonal, x + y = 1: a right edge is outside.
    assert rasterized(TRIANGLE, (4, 4)).astype(int).tolist() == [
        [1, 1, 1, 0],
        [1, 1, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_the_direction_of_the_points_does_not_matter():
    for points in (TRIANGLE[::-1], TRIANGLE[1:] + TRIANGLE[:1]):
        assert (rasterized(points, (9, 7)) == rasterized(TRIANGLE, (9, 7))).all()


def test_random_polygons_as_opencv_tests_points():
    random = np.random.RandomState(1)
    for corners in (3, 4, 6, 9):
        angles = np.sort(random.uniform(0, 2 * np.pi, corners))
        radii = random.uniform(0.1, 0.5, corners)  # a star: no edges cross
        x, y = 0.5 + radii * np.cos(angles), 0.5 + radii * np.sin(angles)
        inside = rasterized(list(zip(x, y, strict=True)), (20, 30))
        outline = np.float32(np.stack([30 * x, 20 * y], axis=1))
        for row, column in np.ndindex(20, 30):
            center = column + 0.5, row + 0.5
            distance = cv2.pointPolygonTest(outline, center, True)
            assert abs(distance) < 1e-4 or inside[row, column] == (distance > 0)


def test_a_concave_polygon():
    # The letter U: the middle third is open from above to the lower third.
    u = [(0, 0), (1 / 3, 0), (1 / 3, 2 / 3), (2 / 3, 2 / 3), (2 / 3, 0), (1, 0)]
    inside = rasterized([*u, (1, 1), (0, 1)], (3, 3)).astype(int)
    assert inside.tolist() == [[1, 0, 1], [1, 0, 1], [1, 1, 1]]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (101, 77)])
def test_the_whole_frame_is_every_pixel(size):
    assert rasterized(WHOLE.points, size).all()


@pytest.mark.parametrize("cut", [0.1, 0.3, 0.5, 0.77])
@pytest.mark.parametrize("size", [(10, 10), (33, 47)])
def test_zones_side_by_side_share_no_pixel_and_leave_none_out(cut, size):
    slanted = (cut, 0), (cut / 2, 1)
    left = rasterized([(0, 0), *slanted, (0, 1)], size)
    right = rasterized([(1, 0), (1, 1), *reversed(slanted)], size)
    assert (left ^ right).all()


def test_the_window_is_as_small_as_the_zone():
    pixels = zone_pixels([(0.5, 0.25), (1, 0.25), (1, 0.75), (0.5, 0.75)], (8, 6))
    assert (pixels.rows, pixels.columns) == (slice(2, 6), slice(3, 6))
    assert pixels.inside.tolist() == [[1, 1, 1]] * 4
    assert pixels.area == 12


def test_which_pixels_are_in_a_zone():
    pixels = zone_pixels(TRIANGLE, (4, 4))
    x, y = np.array([0, 2, 2, 0, 3]), np.array([0, 0, 1, 3, 3])
    assert pixels.holds(x, y).tolist() == [True, True, False, False, False]


def test_a_zone_between_the_centres_has_no_pixel():
    pixels = zone_pixels([(0.01, 0.01), (0.02, 0.01), (0.02, 0.02)], (4, 4))
    assert pixels.area == 0 and pixels.inside.size == 0
    assert pixels.holds(np.array([0]), np.array([0])).tolist() == [False]

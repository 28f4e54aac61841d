"""Polygons around masks, drawn again by the programs that read them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from kseg.data.formats.writing.outlines import (
    of_parts,
    polygon_of,
    regions_of,
    ring_area,
    signed_area,
    simplified,
    with_holes,
)

SQUARE = np.array([[0, 0], [9, 0], [9, 9], [0, 9]])


def by_coco(polygons, size) -> np.ndarray:
    """The pixels of polygons as pycocotools draws them."""
    parts = [np.ravel(polygon).astype(float).tolist() for polygon in polygons]
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(parts, *size))) > 0


def by_pillow(polygons, size) -> np.ndarray:
    """The pixels of polygons as labelme draws them."""
    canvas = Image.new("L", size[::-1])
    for polygon in polygons:
        points = [tuple(point) for point in polygon.tolist()]
        ImageDraw.Draw(canvas).polygon(points, fill=1, outline=1)
    return np.array(canvas) > 0


def polygons_of(mask, tolerance=0.0, least_area=1, centres=False):
    regions = regions_of(mask, centres)
    return [polygon_of(one, tolerance, least_area) for one in regions]


def blobs(seed: int) -> np.ndarray:
    """Regions with holes, also with diagonal contacts and regions in holes."""
    cells = np.random.RandomState(seed).rand(9, 13) > 0.5
    return cells.repeat(4, 0).repeat(3, 1) ^ (cells.repeat(3, 1).repeat(4, 0)[::-1])


@pytest.mark.parametrize("seed", range(8))
def test_without_tolerance_the_pixels_are_the_same(seed):
    """The holes too, by the rule that COCO's reference program fills with."""
    mask = blobs(seed)
    np.testing.assert_array_equal(by_coco(polygons_of(mask), mask.shape), mask)


@pytest.mark.parametrize("seed", range(8))
def test_through_the_centres_of_pixels_labelme_draws_the_same(seed):
    mask = blobs(seed)
    drawn = by_pillow(polygons_of(mask, centres=True), mask.shape)
    np.testing.assert_array_equal(drawn, mask)


def test_a_pixel_is_a_square_and_a_line_of_pixels_has_an_area():
    mask = np.zeros((5, 6), bool)
    mask[2, 3] = True
    (one,) = regions_of(mask)
    assert sorted(map(tuple, one.outline.tolist())) == [(3, 2), (3, 3), (4, 2), (4, 3)]
    mask[2, 1:5] = True
    assert [one.area for one in regions_of(mask)] == [4]
    assert [one.area for one in regions_of(mask, centres=True)] == [4]


def test_a_line_of_pixels_has_three_points_at_least():
    """labelme accepts no polygon of two."""
    mask = np.zeros((5, 6), bool)
    mask[2, 1:5] = True
    (polygon,) = polygons_of(mask, centres=True)
    assert len(polygon) >= 3
    np.testing.assert_array_equal(by_pillow([polygon], mask.shape), mask)


def test_regions_are_sorted_and_their_holes_do_not_count():
    mask = np.zeros((12, 12), bool)
    mask[1:4, 1:4] = True
    mask[5:11, 5:11] = True
    mask[7:9, 7:9] = False
    large, small = regions_of(mask)
    assert (large.area, small.area) == (36 - 4, 9)
    assert [hole.area for hole in large.holes] == [4]


def test_a_small_hole_is_filled():
    mask = np.ones((8, 8), bool)
    mask[2, 2], mask[4:6, 4:6] = False, False
    filled = by_coco(polygons_of(mask, least_area=2), mask.shape)
    assert filled[2, 2] and not filled[4:6, 4:6].any()
    assert filled.sum() == 64 - 4


def test_no_mask_has_no_regions():
    assert regions_of(np.zeros((4, 4), bool)) == []


@pytest.mark.parametrize("tolerance", (0.5, 1.0, 2.0))
def test_a_simplified_disc_is_within_the_tolerance(tolerance):
    """Every point of the outline is that near to the polygon, so the area differs by
    at most the tolerance times the length of the outline."""
    rows, columns = np.mgrid[:80, :80]
    disc = (rows - 40) ** 2 + (columns - 40) ** 2 <= 30**2
    (region,) = regions_of(disc)
    ring = simplified(region.outline, tolerance)
    assert len(ring) < len(region.outline)
    assert abs(ring_area(ring) - region.area) <= tolerance * 2 * np.pi * 30


def test_a_hole_runs_the_other_way_round():
    """So that programs that fill by the number of turns leave it empty."""
    hole = np.array([[3, 3], [6, 3], [6, 6], [3, 6]])
    assert signed_area(SQUARE) == 81 and signed_area(hole) == 9
    for given in (hole, hole[::-1]):
        assert signed_area(with_holes(SQUARE, [given])) == 81 - 9


def test_parts_become_one_polygon_of_their_area():
    other = SQUARE[::-1] + (20, 0)
    whole = of_parts([SQUARE, other])
    assert signed_area(whole) == 2 * 81
    drawn = by_coco([whole], (10, 30))
    assert drawn.sum() == 2 * 81 and not drawn[:, 9:20].any()

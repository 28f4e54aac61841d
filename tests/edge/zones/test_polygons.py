"""Polygons whose edges cross, touch or fold back."""

import math

import pytest

from edge.zones.polygons import crossing_edges, meet

SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]


@pytest.mark.parametrize(
    ("points", "edges"),
    [
        (SQUARE, None),
        (SQUARE[::-1], None),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], (1, 3)),  # a bow tie
        ([(0, 0), (1, 0), (0.5, 0)], (1, 2)),  # on one line
        ([(0, 0), (0.5, 0), (1, 0), (1, 1)], None),  # a point in the middle of an edge
        ([(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)], (1, 3)),  # touches an edge
        ([(0, 0), (1, 0), (0.5, 0.5), (1, 1), (0, 1), (0.5, 0.5)], (2, 5)),  # a point
        ([(0.5, 0), (1, 0), (1, 1), (0, 1), (0, 0), (0.75, 0)], (1, 5)),
    ],
)
def test_edges_that_cross(points, edges):
    assert crossing_edges(points) == edges


def test_edges_on_one_line():
    assert meet((0, 0), (2, 0), (1, 0), (3, 0))
    assert not meet((0, 0), (1, 0), (2, 0), (3, 0))


def circle(count: int) -> list:
    angles = [2 * math.pi * n / count for n in range(count)]
    return [(0.5 + 0.4 * math.cos(x), 0.5 + 0.4 * math.sin(x)) for x in angles]


def test_a_crossing_is_found_among_a_thousand_points():
    points = circle(1000)
    assert crossing_edges(points) is None
    points[500], points[501] = points[501], points[500]
    assert crossing_edges(points) == (500, 502)  # edge n runs from point n to n + 1

"""Polygons whose edges cross, touch or fold back."""

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

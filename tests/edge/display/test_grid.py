"""The views of several sources as one image."""

import numpy as np
import pytest

from edge.display.grid import Grid


def view(value: int, height: int = 60, width: int = 80) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("count", "size"), [(2, (60, 160)), (3, (120, 160)), (5, (120, 240))]
)
def test_there_is_a_cell_for_each_source(count, size):
    names = [str(number) for number in range(count)]
    grid = Grid(names)
    for number, name in enumerate(names):
        image = grid.put(name, view(10 * number + 9))
    assert image.shape == (*size, 3)
    columns = size[1] // 80
    for number in range(count):
        row, column = divmod(number, columns)
        part = image[60 * row : 60 * row + 60, 80 * column : 80 * column + 80]
        assert (part == 10 * number + 9).all()


def test_a_cell_is_black_before_its_first_view():
    image = Grid(["a", "b"]).put("b", view(9))
    assert not image[:, :80].any() and image[:, 80:].all()


def test_another_shape_has_black_bars():
    grid = Grid(["a", "b"])
    grid.put("a", view(9))
    image = grid.put("b", view(200, 60, 40))  # as high as the cell, and half as wide
    assert (image[:, 100:140] == 200).all()
    assert not image[:, 80:100].any() and not image[:, 140:].any()


def test_large_views_are_made_smaller():
    assert Grid(["a", "b"]).put("a", view(1, 720, 1280)).shape == (360, 1280, 3)
    assert Grid(["a", "b"], (100, 1000)).put("a", view(1, 200, 200)).shape == (
        *(100, 200),
        3,
    )


def test_cells_grow_with_the_largest_view():
    """Whichever source is the first to give a frame."""
    grid = Grid(["a", "b"])
    assert grid.put("a", view(9)).shape == (60, 160, 3)
    image = grid.put("b", view(200, 120, 160))
    assert image.shape == (120, 320, 3)
    assert (image[:, :160] == 9).all() and (image[:, 160:] == 200).all()
    assert grid.put("a", view(10))[0, 0, 0] == 10

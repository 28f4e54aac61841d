import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from kseg.data.formats.class_masks import read_class_mask
from kseg.data.masks import Classes

NAMES = tuple(f"class {index}" for index in range(10))
TABLE = np.where(np.arange(256) < 10, np.arange(256), -1)
SMOOTHED = [0, 0, 2, 4, 6, 8, 8]  # an edge between 0 and 8, over three pixels
SHARP = [0, 0, 0, 8, 8, 4, 4]


@pytest.fixture
def read(tmp_path, save):
    """Reads a mask of equal rows, of ids or of the palette's colours."""

    def read(row, colored=False):
        colors = palette(10)
        classes = Classes(
            NAMES, colors, TABLE, {color: i for i, color in enumerate(colors)}
        )
        mask = np.array([row] * 40)
        path = save(tmp_path / "a.png", np.array(colors)[mask] if colored else mask)
        image = save(tmp_path / "a.jpg", size=mask.shape)
        return path, lambda: read_class_mask(path, image, classes)

    return read


@pytest.mark.parametrize("colored", [False, True])
def test_smoothed_masks_are_refused_before_they_are_written(read, colored):
    path, read_again = read(SMOOTHED, colored)
    with pytest.raises(InputError) as caught:
        read_again()
    assert str(caught.value).startswith(f"{path}: 75% of the pixels at edges")
    assert "the mask was smoothed or resized" in str(caught.value)


@pytest.mark.parametrize("colored", [False, True])
def test_sharp_masks_are_read(read, colored):
    assert read(SHARP, colored)[1]().tolist() == [SHARP] * 40

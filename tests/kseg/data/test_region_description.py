"""The description of regions, against counts by hand and a plain definition."""

import numpy as np

from kseg.data import region_description as description
from kseg.data.region_description import bins_of, described, neighbours, slopes_of


def test_neighbours_touch_at_a_side():
    labels = np.int64([[0, 0, 1], [2, 0, 1]])
    assert neighbours(labels, 3).tolist() == [[0, 1], [0, 2]]


def test_sizes_and_boxes_of_regions():
    labels = np.int64([[0, 0, 1], [2, 0, 1]])
    regions = described(labels, bins_of(np.zeros((2, 3, 3), np.float32)))
    assert regions.area == 6
    assert regions.sizes.tolist() == [3, 2, 1]
    assert regions.boxes.tolist() == [[0, 0, 2, 2], [2, 0, 3, 2], [0, 1, 1, 2]]


def test_a_color_is_in_its_bin_of_each_channel():
    """0.3 is in bin 7 of 25, and 1 in the last one."""
    pixels = np.float32([[[0.3, 1, 0], [0.3, 0, 0]]])
    (colors,) = described(np.int64([[0, 0]]), bins_of(pixels)).colors.reshape(1, 3, 25)
    assert colors[0, 7] * 3 == colors[2, 0] * 3 == 1
    assert colors[1, 24] * 6 == colors[1, 0] * 6 == 1


def test_a_texture_counts_the_rise_in_each_of_eight_directions():
    """Opposite directions are computed together; here each is counted alone."""
    random = np.random.default_rng(0)
    pixels = random.random((12, 9, 3), np.float32)
    labels = random.integers(0, 3, (12, 9))
    half = slopes_of(pixels)  # (3, 4, 12, 9)
    rises = np.maximum(np.concatenate([half, -half], axis=1), 0)
    bins, most = description.TEXTURE_BINS, description.MOST_SLOPE
    places = np.minimum((rises / most * bins).astype(int), bins - 1)
    textures = described(labels, bins_of(pixels)).textures.reshape(3, 3, 8, bins)
    for region in range(3):
        counts = (places[..., labels == region, None] == np.arange(bins)).sum(axis=2)
        assert np.allclose(textures[region], counts / counts.sum())


def test_a_slope_rises_towards_brighter_pixels():
    """0.04 a pixel to the right; times the cosine in the other directions."""
    row = np.float32(0.04) * np.arange(21, dtype=np.float32)
    pixels = np.tile(row[:, None], (9, 1, 3))
    slopes = slopes_of(pixels)[0, :, 4, 10]
    assert np.allclose(slopes / 0.04, [1, 0.5**0.5, 0, -(0.5**0.5)], atol=1e-5)

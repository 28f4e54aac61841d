"""Pyramid pooling: its bins, its size and its graph."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kseg.models import build_model
from kseg.models.layers.fused import average_bins
from kseg.models.layers.pyramid_pooling import (
    BINS,
    BinPool,
    ResizeLike,
    bin_windows,
    with_context,
)

# Row r, column c of a map of 5x7 is 7 r + c, so a mean is that of its centre.
MAP = np.arange(35, dtype=np.float32).reshape(1, 5, 7, 1)
# Bins of 5 rows: 0-2 and 2-4; 0-1, 1-2, 2-3, 3-4. Of 7 columns: 0-3 and 3-6; 0-3, 1-4,
# 2-5, 3-6.
CENTRES = {
    1: ([2.0], [3.0]),
    2: ([1.0, 3.0], [1.5, 4.5]),
    4: ([0.5, 1.5, 2.5, 3.5], [1.5, 2.5, 3.5, 4.5]),
}


@pytest.mark.parametrize("bins", BINS)
def test_bins_of_a_map_of_5x7(bins):
    rows, columns = map(np.array, CENTRES[bins])
    expected = 7 * rows[:, None] + columns
    found = ops.convert_to_numpy(BinPool(bins)(MAP))
    np.testing.assert_allclose(found[0, :, :, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize("size", [(5, 7), (11, 15), (2, 3), (8, 8), (1, 1)])
def test_bins_of_unknown_sizes_are_the_same(bins, size):
    x = np.random.RandomState(0).normal(size=(2, *size, 3)).astype(np.float32)
    expected = ops.convert_to_numpy(BinPool(bins)(x))
    np.testing.assert_allclose(average_bins(x, bins), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bins", BINS)
def test_bins_cover_a_side_and_end_with_it(bins):
    for side in range(1, 40):
        count, step, length = bin_windows(side, bins)
        assert count == min(side, bins) and 1 <= step <= length
        assert (count - 1) * step + length == side


def test_resized_bins_have_the_size_of_the_features():
    x, other = MAP[:, :1, :1], np.zeros((1, 4, 6, 2), np.float32)
    found = ops.convert_to_numpy(ResizeLike()([x, other]))
    assert found.shape == (1, 4, 6, 1) and not found.any()
    assert ResizeLike()([MAP, MAP]).shape == MAP.shape


@pytest.fixture(scope="module")
def network():
    return build_model("unet", 3, "mobilenetv2", alpha=0.35, context="pyramid")


def test_it_replaces_the_neck(network):
    plain = build_model("unet", 3, "mobilenetv2", alpha=0.35)
    neck = 1280 * 96 + 4 * 96
    pyramid = 1280 * 128 + 4 * 128 + 3 * (128 * 128 + 128) + 9 * 128 * 96 + 4 * 96
    assert network.count_params() == plain.count_params() - neck + pyramid
    names = {layer.name for layer in plain.layers} - {x.name for x in network.layers}
    assert names == {"neck_conv", "neck_bn", "neck_relu"}


def test_any_size_is_accepted(network):
    """With sizes that are unknown when the graph is made, as in validation."""
    image = np.random.RandomState(0).uniform(0, 255, (1, 70, 100, 3))
    image = image.astype(np.float32)
    signature = [tf.TensorSpec((None, None, None, 3))]
    traced = tf.function(lambda x: network(x, training=False), signature)
    expected = network(image, training=False)
    assert expected.shape == (1, 70, 100, 3)
    np.testing.assert_allclose(traced(image), expected, atol=1e-4)


def test_fcn_has_it_before_the_scores():
    model = build_model("fcn8s", 3, width=2, fc_width=8, context="pyramid")
    assert model.get_layer("context_conv").input.shape[-1] == 8
    assert model.get_layer("score32").input.shape[-1] == 128


def test_unknown_and_unused_contexts():
    with pytest.raises(ValueError, match="`context` must be one of .'pyramid'., got"):
        with_context(MAP, "other", 8)
    with pytest.raises(ValueError, match="dense has no option `context`"):
        build_model("dense", 3, width=2, context="pyramid")

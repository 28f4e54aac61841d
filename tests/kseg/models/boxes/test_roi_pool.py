"""RoIPool: by hand, cell by cell, and values of torchvision 0.28."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from kseg.models.boxes.roi_pool import RoIPool, roi_pool

STORED = Path(__file__).parents[3] / "support" / "roi_pool.npz"
GRID = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)  # rows 0-3, 4-7, 8-11, 12-15


def pooled(features, boxes, stride, size):
    boxes = np.float32(boxes)[None]
    return ops.convert_to_numpy(roi_pool(features, boxes, stride, size))[0]


def cell_by_cell(features, boxes, stride, size):
    """The definition, with a loop over parts: (H, W, C), (N, 4) -> (N, s, s, C)."""
    height, width, channels = features.shape
    result = np.zeros((len(boxes), size, size, channels), np.float32)
    for n, box in enumerate(boxes):
        scaled = np.float64(box) / stride
        x0, y0, x1, y1 = (np.sign(scaled) * np.floor(abs(scaled) + 0.5)).astype(int)
        rows, columns = max(y1 - y0 + 1, 1), max(x1 - x0 + 1, 1)
        for i in range(size):
            top, bottom = y0 + i * rows // size, y0 - (-(i + 1) * rows // size)
            for j in range(size):
                left = x0 + j * columns // size
                right = x0 - (-(j + 1) * columns // size)
                part = features[max(top, 0) : max(bottom, 0)]
                part = part[:, max(left, 0) : max(right, 0)]
                if part.size:
                    result[n, i, j] = part.max((0, 1))
    return result


def test_parts_of_a_box_by_hand():
    """4 cells are divided by 2 into 2 + 2; 3 cells into 2 + 2 that share one.

    The second box is columns 1 to 3 and rows 0 to 2: columns 1-2 and 2-3, rows 0-1 and
    1-2.
    """
    found = pooled(GRID, [[0, 0, 48, 48], [16, 0, 48, 32]], 16, 2)[..., 0]
    assert found.tolist() == [[[5, 7], [13, 15]], [[6, 7], [10, 11]]]


def test_a_box_of_one_cell_fills_every_part_and_outside_parts_are_zero():
    """Pixel 40 is cell 2.5, rounded away from 0 to 3; the last box is outside."""
    features = GRID - 20  # negative: an empty part is larger than every cell
    found = pooled(features, [[40, 16, 40, 16], [48, 0, 112, 0]], 16, 2)[..., 0]
    assert found[0].tolist() == [[-13, -13], [-13, -13]]  # row 1, column 3 is 7
    # Columns 3 to 7: parts of 3-5 and 5-7; only column 3 is inside.
    assert found[1].tolist() == [[-17, 0], [-17, 0]]


def test_the_layer_takes_exclusive_edges():
    layer = RoIPool(16, size=2)
    boxes = np.float32([[[0, 0, 49, 49]]])  # the last pixel is 48, in cell 3
    assert ops.convert_to_numpy(layer([GRID, boxes])).ravel().tolist() == [5, 7, 13, 15]
    assert layer.compute_output_shape([(None, 4, 4, 8), (None, 9, 4)])[1:] == (
        *(9, 2, 2),
        8,
    )


def test_values_are_those_of_torchvision():
    """Boxes partly outside the features and smaller than a cell among them."""
    with np.load(STORED) as stored:
        found = pooled(stored["features"][None], stored["boxes"], 16, 7)
        assert found == pytest.approx(stored["pooled"] / np.float32(100), abs=1e-5)


@pytest.mark.parametrize("size", ((16, 16), (5, 90), (70, 3)), ids=str)
def test_random_boxes_give_the_maximum_of_their_cells(size):
    random = np.random.default_rng(0)
    features = random.normal(size=(2, *size, 3)).astype(np.float32)
    limits = [size[1] * 8 + 30, size[0] * 8 + 30]
    corners = random.uniform(-30, limits, (2, 40, 2, 2)).astype(np.float32)
    boxes = np.concatenate([corners.min(2), corners.max(2)], axis=-1)
    found = ops.convert_to_numpy(roi_pool(features, boxes, 8))
    expected = [cell_by_cell(*pair, 8, 7) for pair in zip(features, boxes, strict=True)]
    assert np.array_equal(found, expected)


def test_sizes_known_only_at_run_time_give_the_same():
    tf = pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    features = random.normal(size=(1, 200, 9, 2)).astype(np.float32)
    boxes = np.float32([[[0, 0, 70, 1599], [3, 100, 50, 130]]])
    free = tf.TensorSpec((None, None, None, 2)), tf.TensorSpec((None, None, 4))
    run = tf.function(lambda x, y: roi_pool(x, y, 8), input_signature=free)
    assert np.array_equal(run(features, boxes), roi_pool(features, boxes, 8))


def test_the_gradient_goes_to_the_largest_cell():
    tf = pytest.importorskip("tensorflow")
    features = tf.constant(GRID)
    with tf.GradientTape() as tape:
        tape.watch(features)
        boxes = tf.constant([[[0.0, 0.0, 48.0, 48.0]]])
        total = tf.reduce_sum(roi_pool(features, boxes, 16, 2))
    gradient = tape.gradient(total, features).numpy().ravel()
    assert np.flatnonzero(gradient).tolist() == [5, 7, 13, 15]
    assert gradient.sum() == pytest.approx(4)

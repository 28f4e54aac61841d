"""Masks from coefficients and prototypes made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.predict.instances import InstancePredictor
from tests.edge.predict.test_detection import INFO, SIZE
from tests.support.outputs import FixedOutputs, outputs, quantize

INSTANCE = replace(INFO, task="instance")
BOXES = [(9, 0, 0.5, (8, 8, 24, 16)), (70, 2, 0.8, (32, 16, 56, 48))]


def with_prototypes(found, prototypes, weights, size=SIZE):
    """Outputs with masks: `weights` are the coefficients of each object."""
    arrays = outputs(found, size)
    coefficients = np.zeros((len(arrays["scores"]), prototypes.shape[2]), np.float32)
    for (cell, *_), row in zip(found, weights, strict=True):
        coefficients[cell] = row
    return {**arrays, "coefficients": coefficients, "prototypes": prototypes}


def columns_and_ones(size=(16, 16), first=10):
    """Prototype 0 is 1 from column `first` on, prototype 1 is 1 everywhere."""
    prototypes = np.ones((*size, 2), np.float32)
    prototypes[:, :first, 0] = 0
    return prototypes


def predict(arrays, image=SIZE, size=SIZE, info=INSTANCE, **options):
    engine = FixedOutputs(arrays, size, **options)
    return InstancePredictor(engine, info).predict(np.zeros((*image, 3), np.uint8))


# Logits 2 * p0 - 1: 1 from column 10 of 4 pixels on, -1 before. And 1 everywhere.
ARRAYS = with_prototypes(BOXES, columns_and_ones(), [(0, 1), (2, -1)])


def test_a_mask_is_positive_where_its_logits_are():
    found = predict(ARRAYS)
    assert found.class_ids.tolist() == [2, 0]
    first, second = found.masks()
    # Best first: the box from column 32 to 56; its mask begins at pixel 40.
    rows, columns, mask = first
    assert (rows, columns) == (slice(16, 48), slice(32, 56))
    assert (mask == (np.arange(32, 56) >= 40)).all()
    assert second[:2] == (slice(8, 16), slice(8, 24)) and second[2].all()


def test_crops_are_the_cells_of_the_box_and_one_more():
    found = predict(ARRAYS)
    # The box is cells 8 to 14 and 4 to 12; with one cell more on each side, 8 x 10.
    assert found.mask_crops[0].shape == (10, 8)
    assert found.mask_spans[0].tolist() == [28, 12, 60, 52]
    assert found.mask_crops[0][0].tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]
    assert found.mask_crops[0].dtype == found.mask_spans.dtype == np.float32


def test_crops_end_at_the_grid():
    box = [(9, 0, 0.5, (0, 0, 64, 64))]
    found = predict(with_prototypes(box, columns_and_ones(), [(0, 1)]))
    assert found.mask_crops[0].shape == (16, 16)
    assert found.mask_spans.tolist() == [[0, 0, 64, 64]]


def test_masks_follow_the_image_out_of_the_padding():
    # 32 x 64 is enlarged nowhere and padded below; 16 x 32 is enlarged twice.
    box = [(9, 0, 0.5, (32, 16, 56, 48))]
    arrays = with_prototypes(box, columns_and_ones(), [(2, -1)])
    for side, factor in ((32, 1), (16, 2)):
        found = predict(arrays, image=(side, 2 * side))
        ((rows, columns, mask),) = found.masks()
        assert rows == slice(16 // factor, 32 // factor)
        assert columns == slice(32 // factor, 56 // factor)
        assert (mask == (np.arange(columns.start, columns.stop) * factor >= 40)).all()


@pytest.mark.parametrize("padded", [(96, 128), (128, 128)])
def test_prototypes_cover_the_input_with_the_padding_of_the_network(padded):
    # 70 x 100, padded inside to multiples of 32 or of 64; prototypes of stride 4.
    box = [(9, 0, 0.5, (32, 16, 56, 48))]
    prototypes = columns_and_ones((padded[0] // 4, padded[1] // 4))
    arrays = with_prototypes(box, prototypes, [(2, -1)], padded)
    ((_, columns, mask),) = predict(arrays, (70, 100), size=None).masks()
    assert (mask == (np.arange(columns.start, columns.stop) >= 40)).all()


def test_stored_integers_give_the_same_masks():
    scales = {
        "coefficients": (1 / 128, 128),
        "prototypes": (0.02, 3),  # a zero point, to see that it counts
    }
    stored = {
        name: quantize(x, *scales[name]) if name in scales else x
        for name, x in with_prototypes(
            BOXES, columns_and_ones(), [(0, 0.5), (0.75, -0.25)]
        ).items()
    }
    found = predict(stored, quantized=scales)
    assert found.mask_crops[0][0].tolist() == pytest.approx(3 * [-0.25] + 5 * [0.5])
    assert found.mask_crops[1].ravel() == pytest.approx(0.5)


def test_an_image_without_objects_has_no_masks():
    found = predict(with_prototypes([], columns_and_ones(), []))
    assert len(found) == 0 and found.mask_crops == ()
    assert found.mask_spans.shape == (0, 4)
    assert not found.label_map().any()


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("coefficients", (84, 3), r"are \[84, 3\] and \[16, 16, 2\]"),
        ("coefficients", (80, 2), "coefficients has 80 rows, and output scores 84"),
        ("prototypes", (16, 32), r"\[84, 2\] and \[16, 32\]"),
    ],
)
def test_outputs_that_do_not_fit_are_named(name, shape, message):
    with pytest.raises(InputError, match=message):
        predict({**ARRAYS, name: np.zeros(shape, np.float32)})


def test_a_detection_model_has_no_masks_to_give():
    with pytest.raises(InputError, match="no output coefficients among its 2"):
        predict(outputs(BOXES))

"""Lists of boxes in shares of the input: placement, suppression, padding, errors."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.listed_boxes import ListedBoxPredictor
from edge.predict.open import predictor_of
from tests.support.outputs import FixedOutputs, quantize

INFO = ModelInfo(
    class_names=("cat", "dog"),
    colors=palette(3)[1:],
    task="detection",
    head="raw",
    decoder={"kind": "boxes", "nms": 0.5},
)
SIZE = (64, 128)


def arrays(*rows):
    """Rows (scores of both classes, cy, cx, h, w) as the outputs by role."""
    return {
        "scores": np.float32([row[:2] for row in rows]).reshape(-1, 2),
        "boxes": np.float32([row[2:] for row in rows]).reshape(-1, 4),
    }


def predict(outputs, image=SIZE, size=SIZE, info=INFO, **options):
    engine = FixedOutputs(outputs, size, **options)
    return predictor_of(engine, info).predict(np.zeros((*image, 3), np.uint8))


FIRST = (0.4, 0.1, 0.5, 0.25, 0.5, 0.25)  # rows 16 to 48, columns 16 to 48
SECOND = (0.2, 0.9, 0.25, 0.75, 0.25, 0.5)  # rows 8 to 24, columns 64 to 128


def test_boxes_are_best_first_in_image_pixels():
    found = predict(arrays(FIRST, (0.1, 0.2, 0.5, 0.5, 0.1, 0.1), SECOND))
    assert found.boxes.tolist() == [[64, 8, 128, 24], [16, 16, 48, 48]]
    assert found.class_ids.tolist() == [1, 0]
    assert found.scores.tolist() == pytest.approx([0.9, 0.4])
    assert (found.boxes.dtype, found.class_ids.dtype) == (np.float32, np.int32)
    assert found.size == SIZE


def test_one_row_is_enough_and_none_may_reach_the_threshold():
    assert len(predict(arrays(FIRST))) == 1
    assert len(predict(arrays((0.2, 0.1, *FIRST[2:])))) == 0


def test_scores_are_probabilities_with_every_head():
    found = predict(arrays(FIRST), info=replace(INFO, head="logits"))
    assert found.scores.tolist() == pytest.approx([0.4])


def test_overlapping_boxes_of_a_class_are_suppressed_unless_nms_is_1():
    # The second has the left three quarters of the first.
    rival = (0.35, 0.1, 0.5, 0.21875, 0.5, 0.1875)
    assert len(predict(arrays(FIRST, rival))) == 1
    assert len(predict(arrays(FIRST, (0.1, 0.35, *rival[2:])))) == 2
    off = replace(INFO, decoder={"kind": "boxes", "nms": 1.0})
    assert len(predict(arrays(FIRST, rival), info=off)) == 2
    assert len(predict(arrays(FIRST, FIRST), info=off)) == 2


def test_a_limit_without_suppression_keeps_the_best_and_is_said(caplog):
    info = replace(INFO, decoder={"kind": "boxes", "nms": 1.0, "max_detections": 1})
    with caplog.at_level(logging.WARNING):
        found = predict(arrays(FIRST, SECOND), info=info)
    assert found.class_ids.tolist() == [1]
    assert "--max-objects" in caplog.text


def test_padding_of_the_image_is_part_of_the_input():
    # 32 x 128 in the upper half of 64 x 128: the middle of the input is the last row.
    found = predict(arrays((0.9, 0, 0.25, 0.5, 0.5, 1.0)), image=(32, 128))
    assert found.boxes.tolist() == [[0, 0, 128, 32]]
    below = (0.9, 0, 0.75, 0.5, 0.25, 1.0)
    assert len(predict(arrays(below), image=(32, 128))) == 0


def test_padding_by_the_network_is_part_of_the_input():
    # A network of stride 64 pads 70 x 100 to 128 x 128.
    info = replace(INFO, geometry=InputGeometry(minimum=64))
    row = (0.9, 0, 0.25, 0.375, 0.25, 0.25)
    for size in (None, (70, 100)):
        found = predict(arrays(row), image=(70, 100), size=size, info=info)
        assert found.boxes.tolist() == [[32, 16, 64, 48]]


def test_stored_integers():
    scales = {"scores": (1 / 256, 0), "boxes": (1 / 256, 0)}
    stored = {k: quantize(x, *scales[k]) for k, x in arrays(FIRST, SECOND).items()}
    found = predict(stored, quantized=scales)
    assert found.boxes.tolist() == [[64, 8, 128, 24], [16, 16, 48, 48]]
    assert found.scores.tolist() == pytest.approx([230 / 256, 102 / 256])


def test_boxes_are_clipped_and_empty_ones_left_out():
    large = (0.9, 0, 0.5, 0.5, 3.0, 1e30)
    empty = (0.9, 0, 0.5, 0.5, -0.5, 0.5)
    assert predict(arrays(large, empty)).boxes.tolist() == [[0, 0, 128, 64]]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (arrays((np.nan, 0, 0.5, 0.5, 1, 1)), "scores has 1 of 1 rows that are not"),
        (arrays((0.9, 0, np.inf, 0.5, 1, 1)), "boxes has 1 of 1 boxes that are not"),
        (
            {"scores": np.zeros((2, 2), "f4"), "boxes": np.zeros((1, 4), "f4")},
            "output boxes has 1 rows, and output scores 2",
        ),
        ({"scores": np.zeros((1, 3), "f4"), "boxes": np.zeros((1, 4), "f4")}, "3 cla"),
        ({"scores": np.zeros(1, "f4"), "boxes": np.zeros((1, 4), "f4")}, "must be"),
    ],
)
def test_damaged_outputs_are_refused(outputs, message):
    with pytest.raises(InputError, match=message):
        predict(outputs)


def test_the_kind_is_one_of_detection():
    engine = FixedOutputs(arrays(FIRST), SIZE)
    assert isinstance(predictor_of(engine, INFO), ListedBoxPredictor)
    with pytest.raises(InputError, match="'boxes' is unknown for the task instance"):
        predictor_of(engine, replace(INFO, task="instance"))
    missing = FixedOutputs({"scores": np.zeros((1, 2), np.float32)}, SIZE)
    with pytest.raises(InputError, match="no output boxes"):
        predictor_of(missing, INFO)


def test_parameters_can_be_replaced():
    engine = FixedOutputs(arrays(FIRST, SECOND), SIZE)
    strict = predictor_of(engine, INFO).with_decoder({"score": 0.5})
    assert len(strict.predict(np.zeros((*SIZE, 3), np.uint8))) == 1
    with pytest.raises(InputError, match="nms"):
        strict.with_decoder({"nms": 2})

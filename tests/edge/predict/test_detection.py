"""Detection on outputs made by hand: thresholds, suppression, placement, errors."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.detection import DetectionPredictor, select_best
from tests.support.outputs import FixedOutputs, outputs, quantize

INFO = ModelInfo(
    class_names=("cat", "dog", "cow"),
    colors=palette(4)[1:],
    task="detection",
    head="raw",
    decoder={"strides": [8, 16, 32]},
)
LOGITS = replace(INFO, head="logits")
SIZE = (64, 64)  # 64 + 16 + 4 = 84 cells


def predict(arrays, image=SIZE, size=SIZE, info=INFO, **options):
    engine = FixedOutputs(arrays, size, **options)
    return DetectionPredictor(engine, info).predict(np.zeros((*image, 3), np.uint8))


TWO = [(9, 0, 0.5, (2, 4, 30, 20)), (70, 2, 0.8, (10.5, 20.25, 60, 50))]


def test_objects_are_best_first_in_image_pixels():
    found = predict(outputs(TWO))
    np.testing.assert_allclose(
        found.boxes, [[10.5, 20.25, 60, 50], [2, 4, 30, 20]], atol=1e-4
    )
    assert found.class_ids.tolist() == [2, 0]
    assert found.scores.tolist() == pytest.approx([0.8, 0.5])
    assert found.size == SIZE
    assert [x.dtype for x in (found.boxes, found.class_ids, found.scores)] == [
        np.float32,
        np.int32,
        np.float32,
    ]


def test_the_outputs_are_found_by_name_or_role():
    first = outputs(TWO)
    swapped = {"boxes": first["boxes"], "scores": first["scores"]}
    assert predict(swapped).class_ids.tolist() == [2, 0]
    unnamed = {"a:0": first["boxes"], "b:0": first["scores"]}
    roles = replace(INFO, outputs=("boxes", "scores"))
    assert predict(unnamed, info=roles).class_ids.tolist() == [2, 0]


def test_scores_of_the_network_are_logits():
    # A logit of log(0.8 / 0.2) is 0.8; the threshold 0.3 is a logit of -0.85.
    found = predict(
        outputs([(9, 0, np.log(4), TWO[0][3]), (70, 2, -0.9, TWO[1][3])], empty=-20),
        info=LOGITS,
    )
    assert found.scores.tolist() == pytest.approx([0.8])


def test_the_threshold_is_applied_to_stored_integers():
    # Scale 1/256: 0.3 is 76.8, so 77 is an object and 76 is not.
    arrays = outputs([(9, 0, 77 / 256, TWO[0][3]), (70, 2, 76 / 256, TWO[1][3])])
    low, step = arrays["boxes"].min(), np.ptp(arrays["boxes"]) / 255
    scales = {"scores": (1 / 256, 0), "boxes": (step, int(round(-low / step)))}
    stored = {name: quantize(x, *scales[name]) for name, x in arrays.items()}
    found = predict(stored, quantized=scales)
    assert found.scores.tolist() == [77 / 256]
    # Half a step of the deltas at an anchor of 32 pixels: 0.1 * 32 * step / 2.
    np.testing.assert_allclose(found.boxes, [TWO[0][3]], atol=6.4 * step)


@pytest.mark.parametrize("score", [0, 1])
@pytest.mark.parametrize("info", [INFO, LOGITS])
def test_extreme_thresholds(score, info):
    changed = replace(info, decoder={**info.decoder, "score": score, "nms": 1})
    engine = FixedOutputs(outputs(TWO), SIZE)
    found = DetectionPredictor(engine, changed).predict(np.zeros((*SIZE, 3), np.uint8))
    # Without any suppression all 84 cells remain, but for boxes under 1 pixel.
    assert len(found) == (0 if score else 84)


def test_overlapping_boxes_of_a_class_are_suppressed():
    # 28 x 16 and 28 x 14: an overlap of 7 / 8.
    rival = (10, 0, 0.4, (2, 4, 30, 18))
    assert len(predict(outputs([*TWO, rival]))) == 2
    other = (10, 1, 0.4, (2, 4, 30, 18))
    assert len(predict(outputs([*TWO, other]))) == 3
    lenient = replace(INFO, decoder={**INFO.decoder, "nms": 0.9})
    assert len(predict(outputs([*TWO, rival]), info=lenient)) == 3


def test_a_padded_image_is_placed_back():
    # 30 x 60 in 64 x 64: enlarged by 64 / 60 to 32 x 64, padded below.
    found = predict(outputs([(9, 0, 0.5, (16, 8, 32, 64))]), image=(30, 60))
    assert found.boxes.tolist() == [pytest.approx([15, 7.5, 30, 30], abs=1e-4)]
    assert found.size == (30, 60)


def test_a_stretched_image_has_a_scale_for_each_side():
    info = replace(INFO, resize="stretch")
    found = predict(outputs([(9, 0, 0.5, (16, 8, 32, 64))]), (32, 128), info=info)
    assert found.boxes.tolist() == [pytest.approx([32, 4, 64, 32], abs=1e-4)]


def test_boxes_in_the_padding_or_under_a_pixel_are_left_out():
    boxes = [(9, 0, 0.5, (0, 40, 20, 60)), (20, 1, 0.5, (5, 5, 5.9, 20))]
    assert len(predict(outputs(boxes), image=(30, 60))) == 0


def test_an_image_of_one_row_is_no_error():
    assert predict(outputs(TWO), image=(1, 200)).size == (1, 200)


@pytest.mark.parametrize("multiple", [1, 32, 64])
def test_a_network_of_any_size_may_pad_its_input(multiple):
    image = (70, 100)
    padded = tuple(-(-side // multiple) * multiple for side in image)
    arrays = outputs([(9, 0, 0.5, (2, 4, 30, 20))], padded)
    found = predict(arrays, image, size=None)
    np.testing.assert_allclose(found.boxes, [[2, 4, 30, 20]], atol=1e-4)


def test_equal_scores_keep_the_order_of_cells():
    many = [(cell, 0, 0.5, (cell, 0, cell + 3, 20)) for cell in (40, 7, 60, 12)]
    found = predict(outputs(many))
    assert found.boxes[:, 0].round(3).tolist() == [7, 12, 40, 60]


def test_the_best_of_equal_values_are_the_first():
    values = np.random.default_rng(0).integers(0, 5, 500).astype(np.uint8)
    expected = sorted(range(500), key=lambda k: (-int(values[k]), k))
    for count in (1, 50, 499, 500, 501):
        assert select_best(values, 0, count).tolist() == expected[:count]


def test_more_objects_than_are_kept_are_reported_once(caplog):
    info = replace(INFO, decoder={**INFO.decoder, "max_detections": 1})
    predictor = DetectionPredictor(FixedOutputs(outputs(TWO), SIZE), info)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert predictor.predict(np.zeros((*SIZE, 3), np.uint8)).class_ids == [2]
    (message,) = caplog.messages
    assert "more than 1 objects" in message


def test_another_decoder_is_a_copy():
    engine = FixedOutputs(outputs(TWO), SIZE)
    first = DetectionPredictor(engine, INFO)
    strict = first.with_decoder({"score": 0.6})
    image = np.zeros((*SIZE, 3), np.uint8)
    assert len(strict.predict(image)) == 1 and len(first.predict(image)) == 2
    assert isinstance(strict, DetectionPredictor)
    assert strict.info.decoder == {"strides": [8, 16, 32], "score": 0.6}
    with pytest.raises(InputError, match="score is 3; it must be from 0 to 1"):
        first.with_decoder({"score": 3})


def test_an_unknown_order_of_channels_is_refused():
    predictor = DetectionPredictor(FixedOutputs(outputs(TWO), SIZE), INFO)
    with pytest.raises(InputError, match="order 'bgr': must be RGB or BGR"):
        predictor.predict(np.zeros((*SIZE, 3), np.uint8), order="bgr")


@pytest.mark.parametrize("value", (float("inf"), 10**400, 1e308, 0))
def test_factors_that_would_overflow_are_refused(value):
    first = DetectionPredictor(FixedOutputs(outputs(TWO), SIZE), INFO)
    with pytest.raises(InputError, match="over 0, at most 1000"):
        first.with_decoder({"anchor_scale": value})
    with pytest.raises(InputError, match="4 numbers over 0, at most 1000"):
        first.with_decoder({"variances": [0.1, 0.1, 0.2, value]})


# Errors


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        ({}, "no strides"),
        ({"strides": []}, "no strides"),
        ({"strides": [8, 0]}, r"strides is \[8, 0\]"),
        ({"strides": [32, 16, 8]}, "strides is .* list of rising integers"),
        ({"strides": [8] * 999}, r"strides is \[8, 8, .*… \(2,997 characters\); it"),
        ({"strides": [8], "variances": [1, 1]}, "variances is .* 4 numbers"),
        ({"strides": [8], "nms": "a"}, "nms is 'a'"),
        ({"strides": [8], "max_detections": 0}, "max_detections is 0"),
        ({"strides": [8], "anchor_scale": -1}, "anchor_scale is -1"),
    ],
)
def test_an_invalid_decoder_is_named(decoder, message):
    with pytest.raises(InputError, match=message):
        predict(outputs(TWO), info=replace(INFO, decoder=decoder))


def changed(name, value):
    return {**outputs(TWO), name: value}


NOT_A_NUMBER = outputs(TWO)["boxes"].copy()
NOT_A_NUMBER[9, 1] = np.nan


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed("boxes", np.zeros((80, 4), "f4")), "boxes has 80 rows, .* scores 84"),
        (
            outputs([], (96, 64)),
            "scores has 126 rows, .* give 84 for an input of 64x64",
        ),
        (outputs([], classes=4), "scores has 4 classes, and 3 are named"),
        (changed("boxes", np.zeros((84, 5), "f4")), r"are \[84, 3\] and \[84, 5\]"),
        (changed("boxes", NOT_A_NUMBER), "boxes has 1 of 2 boxes that are not numbers"),
        (changed("scores", np.full((84, 3), np.nan, "f4")), "scores has 84 of 84 rows"),
        ({"boxes": NOT_A_NUMBER}, r"no output scores among its 1 \(boxes\)"),
    ],
)
def test_outputs_that_do_not_fit_are_named_with_both_numbers(arrays, message):
    with pytest.raises(InputError, match=message):
        predict(arrays)


def test_wrong_strides_are_refused_where_the_padding_is_known():
    """They give as many cells as another padding would: 336."""
    found = outputs(TWO, (64, 64), strides=(4, 8, 16))
    wrong = replace(INFO, decoder={"strides": [8, 16, 32]})
    predict(found, info=wrong)  # as of a network that pads to 128
    known = replace(wrong, geometry=InputGeometry(minimum=16))
    with pytest.raises(InputError, match="has 336 rows, and strides 8, 16, 32 give 84"):
        predict(found, info=known)
    predict(found, info=replace(known, decoder={"strides": [4, 8, 16]}))


def test_roles_without_outputs_are_refused():
    info = replace(INFO, outputs=("scores", "boxes", "coefficients"))
    with pytest.raises(InputError, match="names 3 outputs .* has 2"):
        predict(outputs(TWO), info=info)


def test_networks_that_predict_in_tiles_are_refused():
    info = replace(INFO, geometry=InputGeometry(1, 188, 16, 92))
    with pytest.raises(InputError, match="tiles"):
        predict(outputs(TWO), info=info)

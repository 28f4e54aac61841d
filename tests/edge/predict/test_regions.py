"""Objects from the outputs of networks of regions, made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.open import predictor_of
from edge.predict.regions import RegionInstancePredictor
from tests.support.object_results import COLORS, NAMES
from tests.support.outputs import FixedOutputs

DECODER = {"kind": "regions", "score": 0.3, "nms": 0.5, "max_detections": 100}
INFO = ModelInfo(NAMES, COLORS, task="instance", decoder=DECODER)
# Three objects and an empty place; of the masks the right half is inside.
ARRAYS = {
    "boxes": np.float32([[8, 16, 24, 32], [0, 0, 8, 8], [4, 4, 12, 20], [0, 0, 0, 0]]),
    "scores": np.float32([0.9, 0.5, 0.2, 0]),
    "class_ids": np.int32([2, 0, 1, 0]),
    "masks": np.tile(np.float32([[-4, 4]]), (4, 2, 1)),
}


def predict(arrays=ARRAYS, image=(64, 64), size=(64, 64), info=INFO, **decoder):
    predictor = predictor_of(FixedOutputs(arrays, size), info)
    predictor = predictor.with_decoder(decoder) if decoder else predictor
    return predictor.predict(np.zeros((*image, 3), np.uint8))


def changed(**arrays):
    return {**ARRAYS, **arrays}


def test_places_with_a_score_are_objects():
    found = predict()
    assert found.class_ids.tolist() == [2, 0]
    assert found.boxes.tolist() == [[8, 16, 24, 32], [0, 0, 8, 8]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])
    assert len(predict(score=0.0)) == 3  # an empty place is never an object
    assert len(predict(max_detections=1)) == 1


def test_a_mask_fills_its_box():
    rows, columns, mask = next(iter(predict().masks()))
    assert (rows, columns) == (slice(16, 32), slice(8, 24))
    assert (mask == (np.arange(16) >= 8)).all()


def test_a_larger_image_has_larger_boxes_and_masks():
    """An image of 128 x 64 pixels is 64 x 32 pixels of the input; the rest is grey."""
    found = predict(image=(64, 128))
    assert found.boxes[0].tolist() == [16, 32, 48, 64]
    assert found.mask_spans[0].tolist() == [16, 32, 48, 64]
    below = changed(boxes=ARRAYS["boxes"] + np.float32([0, 8, 0, 8]))
    cut = predict(below, image=(64, 128))
    # The part of the box in the padding is cut off; the mask keeps its place.
    assert cut.boxes[0].tolist() == [16, 48, 48, 64]
    assert cut.mask_spans[0].tolist() == [16, 48, 48, 80]
    assert cut.mask_crops[0].shape == (2, 2)


def test_boxes_alone():
    arrays = {name: x for name, x in ARRAYS.items() if name != "masks"}
    found = predict(arrays, info=replace(INFO, task="detection"))
    assert found.class_ids.tolist() == [2, 0] and not hasattr(found, "mask_crops")


def test_a_smaller_overlap_can_be_asked_for():
    """The second box has 3 / 5 in common with the first."""
    boxes = np.float32([[0, 0, 8, 8], [2, 0, 10, 8], [40, 40, 50, 50], [0, 0, 0, 0]])
    same = changed(boxes=boxes, class_ids=np.zeros(4, np.int32))
    assert len(predict(same, nms=0.7)) == 2
    assert len(predict(same, nms=0.5)) == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"boxes": np.zeros((4, 5), np.float32)}, r"boxes is \[4, 5\]; it must be"),
        ({"scores": np.zeros(3, np.float32)}, r"scores is \[3\]; it must be \[4\]"),
        ({"masks": np.zeros((3, 2, 2), np.float32)}, r"masks is \[3, 2, 2\]"),
        ({"scores": np.float32([np.nan, 1, 0, 0])}, "1 of 4 rows that are not numbers"),
        ({"class_ids": np.int32([3, 0, 0, 0])}, "has the classes 0 to 3, and 3 are"),
        (
            {"boxes": np.full((4, 4), np.nan, np.float32)},
            "2 of 2 boxes that are not numbers",
        ),
    ],
    ids=["boxes", "scores", "masks", "nan score", "class", "nan box"],
)
def test_outputs_that_do_not_fit_are_refused(arrays, message):
    with pytest.raises(InputError, match=message):
        predict(changed(**arrays))


def test_a_missing_output_and_a_wrong_decoder_are_refused():
    arrays = {name: x for name, x in ARRAYS.items() if name != "masks"}
    with pytest.raises(InputError, match="no output masks among its 3"):
        predict(arrays)
    with pytest.raises(InputError, match="the decoder's nms is 2"):
        predict(nms=2)
    engine = FixedOutputs(ARRAYS, (64, 64))
    with pytest.raises(InputError, match="the decoder's score is -1"):
        RegionInstancePredictor(engine, replace(INFO, decoder={"score": -1}))

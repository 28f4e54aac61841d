"""Objects of networks of regions in several files, whose outputs are made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.timing import StageTimer
from edge.engines.base import TensorSpec
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.open import predictor_of
from tests.support.object_results import COLORS, NAMES
from tests.support.outputs import FixedOutputs

# As in test_region_choice.py: the corners of 8 x 8 pixels, each with an anchor of 4.
DECODER = {"strides": [4], "anchor_scale": 1.0, "ratios": [1.0]}
DECODER |= {"before": 4, "after": 4, "proposal_nms": 0.7, "kind": "region_files"}
DECODER |= {"score": 0.3, "nms": 0.5, "max_detections": 100}
PARTS = {"heads": "a.heads.tflite", "masks": "a.masks.tflite"}
INFO = ModelInfo(
    *(NAMES, COLORS, "instance"),
    decoder={**DECODER, "parts": PARTS},
    outputs=("objectness", "deltas", "level4"),
    geometry=InputGeometry(minimum=4),
)
ARRAYS = {
    "objectness": np.float32([0, 1, 2, 3]),
    "deltas": np.zeros((4, 4), np.float32),
    "level4": np.full((2, 2, 5), 7, np.float32),
}


class FixedPart:
    """Takes `count` boxes at a time, and returns `outputs` of them."""

    name, threads, accelerator, share, first_millis = "test", 1, "", 1.0, 2.0

    def __init__(self, count, run, shapes=()):
        self.inputs = {"boxes": TensorSpec("boxes", (1, count, 4), np.dtype("f4"))}
        self.outputs = tuple(TensorSpec("", x, np.dtype("f4")) for x in shapes)
        self.run, self.given = run, []

    def __call__(self, tensors):
        assert len(tensors["boxes"]) == self.inputs["boxes"].shape[1]
        assert (tensors["level4"] == 7).all()
        self.given.append(tensors)
        return self.run(tensors)


def classes(tensors):
    """The box at (2, 2) has class 1 with .7, that at (0, 2) class 2 with .2."""
    logits = np.zeros((len(tensors["boxes"]), 4), np.float32)
    logits[:, 0] = 9
    for row, (x, y) in enumerate(tensors["boxes"][:, :2]):
        if (x, y) == (2, 2):
            logits[row] = np.log([0.1, 0.1, 0.7, 0.1])
        if (x, y) == (0, 2):
            logits[row] = np.log([0.7, 0.04, 0.06, 0.2])
    return {"class_logits": logits, "box_deltas": np.zeros((len(logits), 16), "f4")}


def masks(tensors):
    """Logits: the number of the class in each of 2 x 2 cells."""
    ids = tensors["class_ids"].astype(np.float32)
    return {"masks": np.tile(ids[:, None, None], (1, 2, 2))}


def opened(info=INFO, boxes=3):
    engine = FixedOutputs(ARRAYS, (8, 8))
    engine.share, engine.first_millis = 0.5, 1.0
    engine.parts = {
        "heads": FixedPart(boxes, classes),
        "masks": FixedPart(2, masks, [(1, 2, 2, 2)]),
    }
    return predictor_of(engine, info), engine.parts


IMAGE = np.zeros((8, 8, 3), np.uint8)


def test_the_parts_give_boxes_classes_and_masks():
    predictor, parts = opened()
    found = predictor.predict(IMAGE)
    assert found.boxes.tolist() == [[2, 2, 6, 6]]
    assert found.class_ids.tolist() == [1]
    assert found.scores.tolist() == pytest.approx([0.7])
    assert found.mask_spans.tolist() == [[2, 2, 6, 6]]
    assert found.mask_crops[0].tolist() == [[1, 1], [1, 1]]
    # Four proposals, three at a time; one object, two at a time.
    assert [len(parts[x].given) for x in ("heads", "masks")] == [2, 1]
    assert parts["heads"].given[1]["boxes"].tolist()[1:] == [[0] * 4] * 2
    assert parts["masks"].given[0]["class_ids"].tolist() == [1, 0]


def test_a_lower_score_gives_more_objects_and_masks():
    predictor, parts = opened()
    found = predictor.with_decoder({"score": 0.05}).predict(IMAGE)
    # The class 1 of the second box too, with .06; its class 0 has only .04.
    assert found.class_ids.tolist()[:2] == [1, 2]
    assert sorted(found.scores.round(2).tolist()) == pytest.approx(
        [0.06, 0.1, 0.1, 0.2, 0.7]
    )
    assert len(parts["masks"].given) == 3
    assert len(predictor.predict(IMAGE)) == 1  # the first keeps its own score


def test_no_object_runs_no_masks():
    predictor, parts = opened()
    found = predictor.with_decoder({"score": 0.9}).predict(IMAGE)
    assert len(found) == 0 and not parts["masks"].given


def test_each_part_is_a_stage():
    predictor, _ = opened()
    predictor.predict(IMAGE)
    stages = {"network", "proposals", "heads", "masks", "inference", "postprocess"}
    assert set(predictor.stages.summary()) == stages | {"preprocess"}


def test_another_predictor_of_its_engine_has_times_of_its_own():
    """As a benchmark makes it, which measures a loop after the network alone."""
    first, _ = opened()
    first.predict(IMAGE)
    second = type(first)(first.engine, first.info, StageTimer())
    assert second.info == first.info == INFO
    assert not second.stages.summary()
    assert len(second.predict(IMAGE)) == 1
    assert len(first.stages.millis["network"]) == 1


def test_the_engine_describes_all_parts():
    engine = opened()[0].engine
    assert (engine.share, engine.first_millis) == (0.5, 5.0)
    assert [spec.name for spec in engine.outputs] == [
        *("boxes", "scores", "class_ids", "masks")
    ]
    assert engine.outputs[3].shape == (1, -1, 2, 2)
    assert engine.blank().shape == (8, 8, 3)


def test_proposals_alone_are_objects_of_one_class():
    decoder = {**DECODER, "score": 0.6}
    info = replace(INFO, task="detection", decoder=decoder)
    found = predictor_of(FixedOutputs(ARRAYS, (8, 8)), info).predict(IMAGE)
    # Logits 3, 2 and 1; that of 0 is a score of 0.5.
    assert found.scores.tolist() == pytest.approx([0.9526, 0.8808, 0.7311], abs=1e-4)
    assert found.class_ids.tolist() == [0, 0, 0]


def test_a_network_whose_parts_are_not_open_is_refused():
    with pytest.raises(InputError, match="its part heads is not open"):
        predictor_of(FixedOutputs(ARRAYS, (8, 8)), INFO)
    decoder = {key: value for key, value in INFO.decoder.items() if key != "before"}
    with pytest.raises(InputError, match="the decoder's before is None"):
        opened(replace(INFO, decoder=decoder))

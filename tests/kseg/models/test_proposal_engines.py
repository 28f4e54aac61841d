"""Engines of networks that classify proposals."""

import keras
import numpy as np
import pytest

from edge.model_file.info import ModelInfo
from edge.predict.open import predictor_of
from edge.predict.proposals import ProposalPredictor
from edge.predict.region_boxes import Warper
from kseg.models import build_model
from kseg.models.proposal_engines import CropEngine, FastEngine

INFO = ModelInfo(("a", "b"), ((0, 0, 1), (0, 1, 0)), task="detection")
BOXES = np.float32([[0, 0, 30, 30], [10, 5, 40, 40], [3, 3, 20, 9]])


def image():
    return np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)


def randomized(model):
    random = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.startswith("score"):
            layer.set_weights([random.normal(0, 0.1, w.shape) for w in layer.weights])
    return model


@pytest.fixture(scope="module")
def rcnn():
    keras.utils.set_random_seed(0)
    return randomized(build_model("rcnn", 2, width=4, fc_width=8))


@pytest.fixture(scope="module")
def fast_rcnn():
    keras.utils.set_random_seed(0)
    return randomized(build_model("fast_rcnn", 2, width=4, strides=(8,), fc_width=8))


def propose(image):
    return BOXES


def test_crop_by_crop_the_scores_are_those_of_a_batch(rcnn):
    alone = CropEngine(rcnn, propose, 32, 2)
    batched = CropEngine(rcnn, propose, 32, 2, at_once=2)
    pairs = zip(alone(image()), batched(image()), strict=True)
    for found, expected in pairs:
        assert found.spec.name == expected.spec.name
        assert found.raw == pytest.approx(expected.raw, abs=1e-5)
    assert (alone.passes, batched.passes) == (3, 2)


def test_a_crop_is_the_warped_box(rcnn):
    found = {x.spec.name: x.raw for x in CropEngine(rcnn, propose, 32, 2)(image())}
    crops = Warper(image(), 32, 2).crops(BOXES).astype(np.float32)
    expected = keras.ops.convert_to_numpy(rcnn(crops)["scores"])
    assert found["scores"] == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(found["proposals"], BOXES)


def test_fast_rcnn_makes_one_pass(fast_rcnn):
    engine = FastEngine(fast_rcnn, propose)
    found = {x.spec.name: x.raw for x in engine(image())}
    given = {"image": image()[None].astype(np.float32), "proposals": BOXES[None]}
    expected = {k: keras.ops.convert_to_numpy(x) for k, x in fast_rcnn(given).items()}
    for role, value in expected.items():
        assert found[role] == pytest.approx(value[0], abs=1e-5)
    assert engine.passes == 1


def test_an_image_without_proposals_is_one_proposal(fast_rcnn):
    engine = FastEngine(fast_rcnn, lambda image: BOXES[:0])
    found = {x.spec.name: x.raw for x in engine(image())}
    assert found["proposals"].tolist() == [[0, 0, 48, 40]]


@pytest.mark.parametrize("kind", ("rcnn", "fast_rcnn"))
def test_the_kind_of_decoder_chooses_the_predictor(kind, rcnn, fast_rcnn):
    engine = {
        "rcnn": lambda: CropEngine(rcnn, propose, 32, 2),
        "fast_rcnn": lambda: FastEngine(fast_rcnn, propose),
    }[kind]()
    info = ModelInfo(
        INFO.class_names,
        INFO.colors,
        task="detection",
        decoder={"kind": kind, "score": 0.0},
    )
    predictor = predictor_of(engine, info)
    assert type(predictor) is ProposalPredictor
    result = predictor.predict(image())
    assert len(result) and result.size == (40, 48)
    stages = predictor.stages.summary()
    assert list(stages) == ["preprocess", "proposals", "inference", "postprocess"]

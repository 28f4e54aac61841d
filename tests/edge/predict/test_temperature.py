"""The temperature of confidences: by hand, and that labels do not depend on it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.engines.base import Output, TensorSpec
from edge.model_file.info import ModelInfo
from edge.predict.open import SINGLE_PASS, predictor_of
from edge.predict.semantic import scores_to_confidence
from edge.predict.temperature import plane_at, temperature_of
from edge.predict.tta import TTA
from tests.support.engines import ArrayEngine

INFO = ModelInfo(class_names=tuple("abc"), colors=palette(3))
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


class Logits(ArrayEngine):
    """The channels of the image, divided by 50, as the logits of three classes."""

    outputs = (TensorSpec("scores", (1, -1, -1, 3), np.dtype("float32")),)

    def labels(self, image):
        return image.astype(np.float32) / 50


class Quantized(Logits):
    """The same as int8 with a scale."""

    outputs = (TensorSpec("scores", (1, -1, -1, 3), np.dtype("int8"), 0.05, -10),)

    def __call__(self, image):
        raw = np.rint(self.labels(image) / 0.05) - 10
        return (Output(np.clip(raw, -128, 127).astype(np.int8), self.outputs[0]),)


def info_at(temperature, **changes):
    return replace(INFO, decoder={"temperature": temperature}, **changes)


def predict(info, engine=Logits, tta=SINGLE_PASS):
    predictor = predictor_of(engine(), info, tta=tta)
    return predictor.predict(IMAGE, confidence=True)


def test_logits_are_divided_by_the_temperature():
    """Logits log 9 and 0: 9 / 10 at T = 1; at T = 2 the odds are 3: 3 / 4."""
    scores = np.log(np.float32([[[9, 1]]]))
    for temperature, expected in ((1.0, 0.9), (2.0, 0.75)):
        found = scores_to_confidence(scores, (1, 1), "logits", temperature)
        assert found[0, 0] == pytest.approx(expected)


def test_the_logits_of_probabilities_are_their_logarithms():
    """0.9 and 0.1 have the odds 9, so 3 / 4 at T = 2; unchanged at T = 1."""
    scores = np.float32([[[0.9, 0.1]]])
    for temperature, expected in ((1.0, 0.9), (2.0, 0.75)):
        found = scores_to_confidence(scores, (1, 1), "probabilities", temperature)
        assert found[0, 0] == pytest.approx(expected)


def test_a_probability_of_zero_stays_finite():
    found = scores_to_confidence(np.float32([[[1, 0]]]), (1, 1), "probabilities", 3.0)
    assert 0.9 < found[0, 0] <= 1
    assert np.isfinite(plane_at(np.float32([0, 1]), 0.1)).all()


@pytest.mark.parametrize("tta", [TTA(), TTA(flip=True), TTA(tile=(64, 64))])
@pytest.mark.parametrize("engine", [Logits, Quantized])
def test_labels_do_not_depend_on_the_temperature(tta, engine):
    plain, soft = predict(INFO, engine, tta), predict(info_at(4.0), engine, tta)
    assert np.array_equal(plain.labels, soft.labels)
    assert np.all(soft.confidence <= plain.confidence + 1e-6)
    assert soft.confidence.mean() < plain.confidence.mean() - 0.1


def test_confidences_of_a_pass_and_of_two_equal_mirrored_ones_agree():
    image = np.concatenate([IMAGE, IMAGE[:, ::-1]], axis=1)  # its own mirror image
    one, two = (
        predictor_of(Logits(), info_at(2.0), tta=tta).predict(image, confidence=True)
        for tta in (TTA(), TTA(flip=True))
    )
    np.testing.assert_allclose(one.confidence, two.confidence, atol=1e-5)


def test_a_threshold_divides_the_same_pixels_at_each_temperature():
    two = replace(INFO, class_names=("a", "b"), colors=palette(2))

    class Two(Logits):
        outputs = (TensorSpec("scores", (1, -1, -1, 2), np.dtype("float32")),)

        def labels(self, image):
            return image[..., :2].astype(np.float32) / 50

    results = [
        predict(replace(two, decoder={"threshold": 0.7, "temperature": t}), Two)
        for t in (1.0, 2.0)
    ]
    assert np.array_equal(results[0].labels, results[1].labels)
    # The odds of a confidence c at T = 2 are the root of those at T = 1.
    plain, soft = (each.confidence / (1 - each.confidence) for each in results)
    np.testing.assert_allclose(soft**2, plain, rtol=1e-3)


def test_without_a_temperature_it_is_1():
    assert temperature_of(INFO) == 1.0
    assert np.array_equal(predict(INFO).confidence, predict(info_at(1)).confidence)


def test_the_temperature_is_a_key_of_kseg_json():
    text = info_at(1.25).to_json()
    assert json.loads(text)["decoder"] == {"temperature": 1.25}
    assert temperature_of(ModelInfo.from_json(text)) == 1.25


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "2", True, None])
def test_other_values_are_refused(value):
    with pytest.raises(InputError, match="temperature is .* a number over 0") as error:
        predictor_of(Logits(), info_at(value), "int8.tflite")
    assert str(error.value).startswith("int8.tflite: ")


def test_a_decoder_can_replace_it():
    predictor = predictor_of(Logits(), INFO).with_decoder({"temperature": 2.0})
    found = predictor.predict(IMAGE, confidence=True)
    assert np.array_equal(found.confidence, predict(info_at(2.0)).confidence)

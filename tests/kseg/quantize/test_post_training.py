"""Every model of the registry, converted and run by the interpreter."""

import numpy as np
import pytest

from edge.engines import open_engine
from kseg.keras_engine import KerasEngine
from kseg.models import MODELS, build_model
from kseg.quantize.post_training import convert

SIZE = (64, 80)
ENCODERS = {"plain": {"width": 4}, "mobilenetv2": {"alpha": 0.35}}


def pictures():
    random = np.random.RandomState(0)
    return [random.randint(0, 256, (*SIZE, 3), np.uint8) for _ in range(4)]


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", MODELS)
def test_float32_equals_keras_and_int8_runs(name, encoder, tmp_path):
    model = build_model(name, 5, encoder=encoder, **ENCODERS[encoder])
    # Untrained FCNs have skip scores of zero: give them something to add up.
    random = np.random.RandomState(1)
    for weight in model.trainable_weights:
        if weight.path.startswith("score"):
            weight.assign(random.normal(0, 0.1, weight.shape))
    image = pictures()[0]
    expected = KerasEngine(model)(image)

    path = tmp_path / "float32.tflite"
    path.write_bytes(convert(model, "float32", SIZE, "logits", pictures))
    logits = open_engine(path)(image)
    assert logits.shape == (*SIZE, 5)
    np.testing.assert_allclose(logits, expected, atol=1e-4)

    path = tmp_path / "int8.tflite"
    path.write_bytes(convert(model, "int8", SIZE, "labels", pictures))
    engine = open_engine(path)
    assert engine._input["quantization"] == (1.0, 0)
    labels = engine(image)
    assert labels.shape == SIZE and labels.dtype == np.uint8 and labels.max() < 5

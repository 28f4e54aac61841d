"""Every engine implements the interface of edge.engines.base.Engine."""

import numpy as np
import pytest

from edge.engines.base import Output, TensorSpec
from edge.engines.select import describe, open_engine
from kseg.evaluation.grouping import GroupingEngine
from kseg.models import build_model
from kseg.models.keras_engine import KerasEngine
from tests.support.engines import ArrayEngine

KINDS = ("keras", "keras-fixed", "keras-two", "grouping", "tflite", "test")


@pytest.fixture(scope="module")
def engines(deeplab):
    import keras

    model = build_model("dense", 3, width=2)
    first = model.layers[2].output
    two = keras.Model(model.inputs, {"logits": model.output, "first": first})
    return {
        "keras": KerasEngine(model),
        "keras-fixed": KerasEngine(model, (32, 48)),
        "keras-two": KerasEngine(two),
        "grouping": GroupingEngine("color", 4),
        "tflite": open_engine(deeplab, threads=1, trial=False),
        "test": ArrayEngine(),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_specifications_of_input_and_outputs(engines, kind):
    engine = engines[kind]
    assert engine.name and engine.channels in (1, 3)
    assert engine.size is None or len(engine.size) == 2
    assert isinstance(engine.input, TensorSpec)
    assert all(isinstance(spec, TensorSpec) for spec in engine.outputs)
    assert isinstance(engine.accelerator, str)
    assert describe(engine).startswith(f"engine {engine.name}, ")


@pytest.mark.parametrize("kind", KINDS)
def test_blank_image_gives_every_output(engines, kind):
    engine = engines[kind]
    blank = engine.blank()
    assert blank.dtype == np.uint8 and blank.shape[2] == engine.channels
    assert engine.size in (None, blank.shape[:2])
    outputs = engine(blank)
    assert len(outputs) == len(engine.outputs)
    for output, spec in zip(outputs, engine.outputs, strict=True):
        assert isinstance(output, Output) and output.spec == spec
        assert output.raw.ndim == len(spec.shape) - 1  # without the batch
        for side, known in zip(output.raw.shape, spec.shape[1:], strict=True):
            assert known in (-1, side)


def test_keras_network_of_two_outputs_names_both(engines):
    assert [spec.name for spec in engines["keras-two"].outputs] == ["logits", "first"]

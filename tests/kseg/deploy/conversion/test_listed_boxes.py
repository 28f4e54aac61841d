"""Files that list boxes: TFLite and ONNX give the outputs of the Keras network."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from edge.core.constants import palette
from edge.engines.select import open_engine
from edge.model_file.info import ModelInfo
from edge.predict.open import predictor_of
from kseg.deploy.conversion import onnx
from kseg.deploy.conversion.tflite import convert
from kseg.deploy.heads import heads_of
from kseg.deploy.roles import roles_of
from kseg.models import build_model, geometry
from kseg.models.keras_engine import KerasEngine
from tests.kseg.deploy.conversion.test_tflite import assert_builtin_and_static

SIZE = (64, 96)


def images():
    random = np.random.RandomState(0)
    return [random.randint(0, 256, (*SIZE, 3)).astype(np.uint8) for _ in range(4)]


@pytest.fixture(scope="module", params=["localize", "yolo"])
def reference(request):
    """The network with random weights in its last layers, and its predictor."""
    keras.utils.set_random_seed(0)
    model = build_model(request.param, 3, width=4)
    decoder = {"kind": "boxes", "score": 0.0, "nms": 0.5}
    info = ModelInfo(("a", "b", "c"), palette(4)[1:], "detection", "raw")
    info = replace(info, decoder=decoder, geometry=geometry(model))
    head = heads_of(info)["raw"]
    return model, head, predictor_of(KerasEngine(model, SIZE, head), info)


def by_role(outputs, roles):
    named = zip(roles, outputs, strict=True)
    return {role: output.dequantize() for role, output in named}


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "atol"), [("float32", 1e-5), ("int8", 0.15)])
def test_tflite(reference, scheme, atol, tmp_path):
    model, head, predictor = reference
    path = tmp_path / "model.tflite"
    path.write_bytes(convert(model, scheme, SIZE, head, images))
    assert_builtin_and_static(path)
    engine = open_engine(path, trial=False)
    roles = roles_of(path, predictor)
    assert sorted(roles) == ["boxes", "scores"]
    found = by_role(engine(images()[0]), roles)
    expected = by_role(predictor.engine(images()[0]), ("scores", "boxes"))
    for role, values in expected.items():
        assert found[role].shape == values.shape
        np.testing.assert_allclose(found[role], values, atol=atol)
    result = predictor_of(engine, replace(predictor.info, outputs=roles))
    assert result.predict(images()[0]).boxes.shape[1] == 4
    if scheme == "int8":  # each output has a scale of its own, for [0, 1]
        assert {spec.dtype for spec in engine.outputs} == {np.dtype(np.uint8)}
        assert all(0 < spec.scale <= 1 / 255 + 1e-6 for spec in engine.outputs)
        assert {spec.zero_point for spec in engine.outputs} == {0}


@pytest.mark.slow
def test_onnx(reference, tmp_path):
    pytest.importorskip("onnxruntime")
    model, _, predictor = reference
    (path := tmp_path / "model.onnx").write_bytes(
        onnx.convert(model, SIZE, predictor.info)
    )
    engine = open_engine(path)
    found = {x.spec.name: x.raw for x in engine(images()[0])}
    assert sorted(found) == ["boxes", "scores"]
    for output in predictor.engine(images()[0]):
        np.testing.assert_allclose(found[output.spec.name], output.raw, atol=1e-5)

"""Every network of the contract, converted and run by the interpreter."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.schema_py_generated import BuiltinOperator

from edge.engines.select import open_engine
from kseg.deploy.conversion.folding import without_normalization
from kseg.deploy.conversion.tflite import convert
from kseg.deploy.heads import labels, logits
from kseg.models import geometry
from kseg.models.keras_engine import KerasEngine
from tests.support.engines import only_output

SIZE = (64, 80)
CLASSES = 3


BUILTINS = set(vars(BuiltinOperator))


def assert_builtin_and_static(path):
    """Every tensor's size is known, every operator is one of TFLite's own."""
    interpreter = Interpreter(str(path))
    for tensor in interpreter.get_tensor_details():
        assert (tensor["shape_signature"] >= 0).all(), tensor["name"]
    names = {operator["op_name"] for operator in interpreter._get_ops_details()}
    assert names <= BUILTINS


@pytest.mark.slow
def test_float32_equals_keras_and_int8_runs(case, tmp_path):
    model = case.build()
    # Untrained FCNs have skip scores of zero: give them something to add up.
    random = np.random.RandomState(1)
    for weight in model.trainable_weights:
        if weight.path.startswith("score") and "up" not in weight.path:
            weight.assign(random.normal(0, 0.1, weight.shape))
    shape = geometry(model)
    size = shape.covering(SIZE)
    inside = tuple(side - 2 * shape.border for side in size)

    def pictures():
        random = np.random.RandomState(0)
        return [random.randint(0, 256, (*size, 3), np.uint8) for _ in range(4)]

    image = pictures()[0]
    expected = only_output(KerasEngine(model), image)

    path = tmp_path / "float32.tflite"
    path.write_bytes(convert(model, "float32", size, logits, pictures))
    assert_builtin_and_static(path)
    scores = only_output(open_engine(path), image)
    assert scores.shape == (*inside, CLASSES)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(scores / scale, expected / scale, atol=1e-4)

    path = tmp_path / "int8.tflite"
    path.write_bytes(convert(model, "int8", size, labels, pictures))
    assert_builtin_and_static(path)
    (given,) = Interpreter(str(path)).get_input_details()
    assert given["dtype"] == np.uint8
    scale, zero_point = given["quantization"]
    folded = without_normalization(model, size)
    assert scale == pytest.approx(folded[1] if folded else 1)
    assert zero_point == (128 if folded else 0)
    ids = only_output(open_engine(path), image)
    assert ids.shape == inside and ids.dtype == np.uint8
    assert ids.max() < CLASSES

"""Networks converted and run in the interpreter."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.schema_py_generated import BuiltinOperator

from edge.engines.select import open_engine
from kseg.deploy.conversion.folding import without_normalization
from kseg.deploy.conversion.tflite import convert
from kseg.deploy.heads import HEADS
from kseg.deploy.lint.graph import read_graphs
from kseg.models import geometry
from kseg.models.keras_engine import KerasEngine
from kseg.models.layers.sizes import PadToMultiple
from tests.support.engines import only
from tests.support.networks import sampled

# Together they have every kind of layer.
REPRESENTATIVES = (
    "fcn32s-plain-transposed",
    "fcn8s-alexnet-transposed",
    "patch-plain-bilinear",
    "segnet-vgg16-unpool",
    "unet-efficientnetv2b0-bilinear",
    "unet-mobilenetv3-nearest",
    "unet-plain-unpool",
    "unet-resnet50-resize-conv",
    "unet_paper-plain-transposed",
)
# Half a minute each. Only networks and conversions can change what is tested here, and
# where these change, .ci/run has the tests marked full.
LARGE = ("unet-efficientnetv2b0-bilinear", "unet-resnet50-resize-conv")
SIZE = (64, 80)
CLASSES = 3


BUILTINS = set(vars(BuiltinOperator))


def assert_builtin_and_static(path):
    """All shapes are static, all operators are builtin."""
    interpreter = Interpreter(str(path))
    for tensor in interpreter.get_tensor_details():
        assert (tensor["shape_signature"] >= 0).all(), tensor["name"]
    names = {operator["op_name"] for operator in interpreter._get_ops_details()}
    assert names <= BUILTINS


def kinds_of(model) -> set[tuple]:
    """The kinds of layers that a converter distinguishes."""
    keys = ("activation", "padding", "dilation_rate", "groups", "interpolation")
    return {
        (type(layer).__name__, *(str(layer.get_config().get(key)) for key in keys))
        for layer in model.layers
    }


@pytest.mark.full
def test_the_representatives_have_every_kind_of_layer():
    kinds = {p.id: kinds_of(p.values[0].build()) for p in sampled(*REPRESENTATIVES)}
    assert set().union(*kinds.values()) == set().union(
        *(kinds[name] for name in REPRESENTATIVES)
    )


@pytest.mark.parametrize("case", sampled(*(set(REPRESENTATIVES) - set(LARGE))))
def test_float32_equals_keras_and_int8_runs(case, tmp_path):
    model = case.build()
    # In untrained FCNs the score weights of the skips are zero: set random ones.
    random = np.random.RandomState(1)
    for weight in model.trainable_weights:
        if weight.path.startswith("score") and "up" not in weight.path:
            weight.assign(random.normal(0, 0.1, weight.shape))
    shape = geometry(model)
    size = shape.smallest_input(SIZE)
    inside = tuple(side - 2 * shape.valid_border for side in size)

    def images():
        random = np.random.RandomState(0)
        return [random.randint(0, 256, (*size, 3), np.uint8) for _ in range(4)]

    image = images()[0]
    expected = only(KerasEngine(model), image)

    path = tmp_path / "float32.tflite"
    path.write_bytes(
        convert(model, "float32", size, HEADS["semantic"]["logits"], images)
    )
    assert_builtin_and_static(path)
    logits = only(open_engine(path), image)
    assert logits.shape == (*inside, CLASSES)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(logits / scale, expected / scale, atol=1e-4)

    path = tmp_path / "int8.tflite"
    path.write_bytes(convert(model, "int8", size, HEADS["semantic"]["labels"], images))
    assert_builtin_and_static(path)
    (input_details,) = Interpreter(str(path)).get_input_details()
    assert input_details["dtype"] == np.uint8
    scale, zero_point = input_details["quantization"]
    folded = without_normalization(model, size)
    assert scale == pytest.approx(folded[1] if folded else 1)
    assert zero_point == (128 if folded else 0)
    labels = only(open_engine(path), image)
    assert labels.shape == inside and labels.dtype == np.uint8
    assert labels.max() < CLASSES


@pytest.mark.slow
def test_padding_by_the_edge_is_a_slice_and_a_concatenation(tmp_path):
    size = (12, 16)  # to 16x16
    image = keras.Input((None, None, 3))
    x = PadToMultiple(8, "edge")(keras.layers.Rescaling(1 / 127.5, offset=-1)(image))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, padding="same")(x))
    picture = np.random.RandomState(0).randint(0, 256, (*size, 3), np.uint8)
    expected = only(KerasEngine(model), picture)
    for scheme in ("float32", "int8"):
        path = tmp_path / f"{scheme}.tflite"
        path.write_bytes(convert(model, scheme, size, lambda x: x, lambda: [picture]))
        assert_builtin_and_static(path)
        (graph,) = read_graphs(path)
        names = {operator.name for operator in graph.operators}
        scaling = {"CAST", "MUL", "ADD", "SUB", "QUANTIZE"}
        assert names - scaling == {"STRIDED_SLICE", "CONCATENATION", "CONV_2D"}
        found = open_engine(path)(picture)[0].dequantize()
        assert np.abs(found - expected).max() < 0.05 * np.ptp(expected)

"""Conversions run in ONNX Runtime and checked for the requirements of TensorRT."""

import json
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.engines.select import open_engine
from edge.model_file.info import INFO_NAME, ModelInfo
from edge.model_file.metadata import info_of, read_info
from kseg.deploy.conversion.onnx import convert
from kseg.deploy.heads import HEADS
from kseg.models import build_model
from kseg.models.keras_engine import KerasEngine
from tests.support.engines import only
from tests.support.networks import sampled

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")


SIDES = (64, 96)
INFO = ModelInfo(class_names=("a", "b", "ü"), colors=palette(3), head="logits")
# From TensorRT's operator reference; the test below checks their types.
TENSORRT = set(
    "Add And ArgMax Cast Clip Concat Conv ConvTranspose Equal MaxPool Mul Not Or Pad "
    "Squeeze Relu Reshape Resize Slice Softmax Transpose Unsqueeze AveragePool LRN "
    "Sigmoid GlobalAveragePool HardSigmoid HardSwish Div Sub ReduceMean".split()
)


def valid_size(case) -> tuple[int, int]:
    """An input size that is valid for a network."""
    return {"unet_paper": (188, 204), "patch": (62, 78)}.get(case.model, (64, 80))


def attributes(node) -> dict:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def check_for_tensorrt(model) -> None:
    """Checks that TensorRT's parser accepts a model without warnings."""
    graph = model.graph
    assert {node.op_type for node in graph.node} <= TENSORRT
    (image,), (output,) = graph.input, graph.output
    for tensor in (image, output):
        assert all(d.dim_value > 0 for d in tensor.type.tensor_type.shape.dim)
    readers = [node for node in graph.node if image.name in node.input]
    assert [(n.op_type, attributes(n)) for n in readers] == [("Cast", {"to": 1})]
    for node in graph.node:
        if node.op_type == "Resize" and attributes(node)["mode"] == b"nearest":
            assert attributes(node)["coordinate_transformation_mode"] == b"asymmetric"
        if node.op_type == "MaxPool":
            assert len(node.output) == 1  # no indices


def run(content: bytes, image: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"image": image})[0]


REPRESENTATIVES = (
    "fcn8s-alexnet-transposed",
    "unet-mobilenetv3-nearest",
    "unet-plain-unpool",
    "unet_paper-plain-transposed",
)


@pytest.mark.parametrize("case", sampled(*REPRESENTATIVES))
def test_every_architecture_converts_and_gives_the_same_scores(case):
    network = case.build()
    size = valid_size(case)
    content = convert(network, size, INFO)
    model = onnx.load_from_string(content)
    check_for_tensorrt(model)
    shape = (1, *size, network.input_shape[-1])
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    expected = only(KerasEngine(network), image[0])[None]
    found = run(content, image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    # One transpose at the input and one at the output, except for max-unpooling and
    # squeeze-and-excite.
    if not any(kind in str(case) for kind in ("unpool", "mobilenetv3", "efficientnet")):
        assert Counter(n.op_type for n in model.graph.node)["Transpose"] <= 2


@pytest.fixture(scope="module")
def small(trained):
    from kseg.models.saving import load_model

    return load_model(trained / "model.keras")


@pytest.mark.parametrize("head", ["labels", "probabilities"])
def test_heads(small, head):
    content = convert(small, (64, 80), replace(INFO, head=head))
    check_for_tensorrt(onnx.load_from_string(content))
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 80, 3), np.uint8)
    logits = only(KerasEngine(small), image[0])[None]
    found = run(content, image)
    if head == "labels":
        assert (found.shape, found.dtype) == ((1, 64, 80), np.uint8)
        assert (found == logits.argmax(axis=3)).mean() > 0.999
    else:
        exponentials = np.exp(logits - logits.max(axis=3, keepdims=True))
        expected = exponentials / exponentials.sum(axis=3, keepdims=True)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_file_contains_its_description(small, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(convert(small, (64, 80), replace(INFO, head="logits")))
    described = replace(INFO, head="logits", outputs=("logits",))
    assert read_info(path) == info_of(path) == described
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    text = session.get_modelmeta().custom_metadata_map[INFO_NAME]
    assert json.loads(text)["names"] == ["a", "b", "ü"]
    (image,), (output,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == (
        *("image", "tensor(uint8)"),
        [1, 64, 80, 3],
    )
    assert (output.name, output.shape) == ("logits", [1, 64, 80, 6])


def test_a_missing_package_is_named(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(InputError, match=r"needs tf2onnx: pip install -e '.\[onnx\]'"):
        convert(small, (64, 80), replace(INFO, head="labels"))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["instance", "detection"])
def test_outputs_of_objects_have_their_names_and_no_suppression_inside(tmp_path, task):
    network = build_model("instances", 3, width=4, masks=task == "instance")
    info = ModelInfo(
        *(("a", "b", "c"), palette(3)), task, "raw", decoder={"strides": [8, 16, 32]}
    )
    (path := tmp_path / "model.onnx").write_bytes(convert(network, SIDES, info))
    model = onnx.load(path)
    assert not {"NonMaxSuppression", "TopK"} & {n.op_type for n in model.graph.node}
    reference = KerasEngine(network, SIDES, HEADS[task]["raw"])
    expected = {spec.name: spec.shape for spec in reference.outputs}
    engine = open_engine(path)
    assert {spec.name: spec.shape for spec in engine.outputs}.keys() == expected.keys()
    assert read_info(path).outputs == tuple(spec.name for spec in engine.outputs)
    image = np.random.RandomState(0).randint(0, 256, (*SIDES, 3)).astype(np.uint8)
    exact = {output.spec.name: output.raw for output in reference(image)}
    for output in engine(image):
        np.testing.assert_allclose(output.raw, exact[output.spec.name], atol=1e-4)

"""Real .onnx files in a real ONNX Runtime."""

import json

import numpy as np
import pytest

from edge.core.errors import GateFailed, InputError
from edge.engines.onnx import CPU, provider_share
from edge.engines.select import describe, open_engine
from edge.predict.semantic import to_map

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
helper, kind = onnx.helper, onnx.TensorProto
# Included in onnxruntime's CPU build; it runs only operators of cloud services.
AZURE = "AzureExecutionProvider"


def save(path, nodes, given, made):
    """An .onnx file of nodes; `given` and `made` are (name, type, shape)."""
    image, result = (helper.make_tensor_value_info(*v) for v in (given, made))
    graph = helper.make_graph(nodes, "graph", [image], [result])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture
def brightest(tmp_path):
    """Labels: the brightest of three channels."""
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=kind.FLOAT),
        helper.make_node("ArgMax", ["floats"], ["map"], axis=3, keepdims=0),
    ]
    given = ("image", kind.UINT8, [1, 4, 6, 3])
    path = tmp_path / "brightest.onnx"
    return save(path, nodes, given, ("map", kind.INT64, [1, 4, 6]))


def test_labels_equal_manual_results(brightest):
    engine = open_engine(brightest, threads=1)
    assert (engine.name, engine.size, engine.channels) == ("onnx", (4, 6), 3)
    assert describe(engine).startswith("engine onnx, CPU, 1 threads, first run ")
    image = np.random.default_rng(0).permuted(np.arange(72, dtype=np.uint8))
    image = image.reshape(4, 6, 3)
    (output,) = engine(image)
    np.testing.assert_array_equal(output.raw, image.argmax(axis=2))


def test_floats_are_scaled(tmp_path):
    """One channel of floats is the probability of class 1."""
    nodes = [helper.make_node("Sigmoid", ["image"], ["map"])]
    given = ("image", kind.FLOAT, [1, 1, 2, 1])
    path = save(tmp_path / "a.onnx", nodes, given, ("map", kind.FLOAT, [1, 1, 2, 1]))
    engine = open_engine(path)
    assert engine.input.dtype == np.float32
    scores = to_map(engine(np.uint8([[[0], [255]]]))[0])
    odd = 1 / (1 + np.exp(1))
    np.testing.assert_allclose(scores, [[[1 - odd, odd], [odd, 1 - odd]]], rtol=1e-6)


def test_a_provider_that_runs_no_operator_is_reported(brightest, capsys):
    if AZURE not in onnxruntime.get_available_providers():
        pytest.skip(f"this onnxruntime has no {AZURE}")
    engine = open_engine(brightest, delegate=AZURE)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        f"onnx with {AZURE} runs none of its operators; using onnx on the CPU instead"
    )
    assert engine.accelerator == ""
    with pytest.raises(GateFailed, match="runs none of its operators"):
        open_engine(brightest, delegate=AZURE, require=True)


def test_a_missing_provider(brightest):
    with pytest.raises(GateFailed, match="does not have Nothing; it has "):
        open_engine(brightest, delegate="Nothing", require=True)


def test_shares_of_a_profile(tmp_path, brightest):
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "own" / "profile")
    (tmp_path / "own").mkdir()
    session = onnxruntime.InferenceSession(brightest, options, providers=[CPU])
    session.run(None, {"image": np.zeros((1, 4, 6, 3), np.uint8)})
    profile = tmp_path / "own" / session.end_profiling()
    assert provider_share(profile, CPU) == 1
    assert not profile.exists()
    events = [
        {"cat": "Node", "args": {"provider": name}} for name in ("A", "A", CPU, "A")
    ]
    (tmp_path / "own").mkdir()
    profile.write_text(json.dumps(events), encoding="utf-8")
    assert provider_share(profile, "A") == 0.75
    assert provider_share(profile, "A") is None  # it was deleted


@pytest.mark.parametrize(
    ("shape", "message"),
    [([1, 4, 64, 64], "input is [1, 4, 64, 64]"), ([2, 8, 8, 3], "is [2, 8, 8, 3]")],
)
def test_unsupported_inputs(tmp_path, shape, message):
    nodes = [helper.make_node("Identity", ["image"], ["map"])]
    given, made = (("image", kind.FLOAT, shape), ("map", kind.FLOAT, shape))
    path = save(tmp_path / "a.onnx", nodes, given, made)
    with pytest.raises(InputError) as error:
        open_engine(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_an_unknown_operator(tmp_path):
    nodes = [helper.make_node("Invented", ["image"], ["map"])]
    given = ("image", kind.UINT8, [1, 4, 6, 3])
    path = save(tmp_path / "a.onnx", nodes, given, ("map", kind.UINT8, [1, 4, 6]))
    with pytest.raises(InputError, match="ONNX Runtime rejects the model"):
        open_engine(path)


def test_the_reason_of_onnx_runtime_is_shown(tmp_path):
    """Its message begins with the path of the file and a place in its source."""
    nodes = [helper.make_node("Identity", ["image"], ["map"])]
    given = ("image", kind.UINT8, [1, 4, 6, 3])
    path = save(tmp_path / "a.onnx", nodes, given, ("map", kind.UINT8, [1, 4, 6, 3]))
    model = onnx.load(path)
    model.ir_version = 99
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"\(Unsupported model IR version: 99"):
        open_engine(path)


def test_a_suffix_in_capitals(brightest):
    path = brightest.rename(brightest.with_name("BRIGHTEST.ONNX"))
    assert open_engine(path, threads=1).name == "onnx"


@pytest.mark.parametrize("name", ["x.onnx", "x.tflite"])
def test_what_is_left_of_a_download_is_named(tmp_path, name):
    (tmp_path / name).write_text(
        "version https://git-lfs.github.com/spec/v1\n", encoding="utf-8"
    )
    with pytest.raises(InputError, match="is no model but a Git LFS pointer; fetch"):
        open_engine(tmp_path / name)


@pytest.mark.parametrize("text", ["", "I am no model."])
def test_a_text_file_named_onnx(tmp_path, text):
    path = tmp_path / "x.onnx"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="not an ONNX model"):
        open_engine(path)

"""Trials in real child processes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.core.system import free_memory
from edge.engines.base import EngineChoice, TrialResult
from edge.engines.load import load
from edge.engines.select import open_engine
from edge.engines.trial import (
    MAX_RESULTS,
    cache_key,
    check_engine,
    load_results,
    save_result,
)

ROOT = Path(__file__).resolve().parents[3]
LITERT = EngineChoice("litert", "ai-edge-litert", 1)
RUNTIME = EngineChoice("onnx", "onnxruntime", 1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "proven.json"


@pytest.fixture
def network(tmp_path):
    """`network(*nodes)` is an .onnx file of nodes from `image` to `map`."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto

    def make(nodes, initializers=()):
        image = helper.make_tensor_value_info("image", kind.UINT8, [1, 4, 4, 3])
        labels = helper.make_tensor_value_info("map", kind.UINT8, [1, 4, 4, 3])
        graph = helper.make_graph(nodes, "g", [image], [labels], list(initializers))
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        path = tmp_path / "made.onnx"
        onnx.save(model, path)
        return path

    return make


def test_the_result_of_a_trial_is_cached(deeplab, cache):
    result = check_engine(deeplab, LITERT)
    assert result.works and 1 < result.millis < 60_000 and not result.crashed
    ((key, kept),) = json.loads(cache.read_text(encoding="utf-8")).items()
    cache.write_text(json.dumps({key: {**kept, "millis": 12.5}}), encoding="utf-8")
    assert check_engine(deeplab, LITERT) == TrialResult(12.5)


def test_another_file_content_is_tried_again(deeplab, cache, tmp_path):
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(deeplab.read_bytes())
    assert cache_key(copy, LITERT) == cache_key(deeplab, LITERT)
    copy.write_bytes(deeplab.read_bytes() + b"x")
    assert cache_key(copy, LITERT) != cache_key(deeplab, LITERT)


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1', "null"])
def test_a_damaged_cache_is_ignored(cache, text):
    cache.parent.mkdir()
    cache.write_text(text, encoding="utf-8")
    assert load_results() == {}
    save_result("key", TrialResult(1.0))
    assert list(load_results()) == ["key"]


def test_the_oldest_results_are_removed(cache):
    for number in range(MAX_RESULTS + 5):
        save_result(str(number), TrialResult(1.0))
    assert list(load_results())[0] == "5"


def test_a_cache_that_cannot_be_written_is_ignored(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path / "file"))
    save_result("key", TrialResult(1.0))
    assert load_results() == {}


def test_an_error_of_the_engine_is_its_message(shared):
    result = check_engine(shared / "models" / "broken_zero_point.tflite", LITERT)
    assert not result.works and not result.crashed
    assert result.message.startswith("litert rejects the model")


@pytest.mark.serial
@pytest.mark.slow
def test_a_model_that_never_ends(network):
    from onnx import TensorProto, helper

    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    kinds = {"going": TensorProto.BOOL, "given": TensorProto.UINT8}
    inputs = [helper.make_tensor_value_info("turn", TensorProto.INT64, [])]
    inputs += [helper.make_tensor_value_info(n, k, None) for n, k in kinds.items()]
    outputs = [
        helper.make_tensor_value_info(f"{n}_on", k, None) for n, k in kinds.items()
    ]
    body = helper.make_graph(
        [helper.make_node("Identity", [n], [f"{n}_on"]) for n in kinds],
        *("body", inputs, outputs),
    )
    loop = helper.make_node("Loop", ["", "yes", "image"], ["map"], body=body)
    path, start = network([loop], [yes]), time.monotonic()
    result = check_engine(path, RUNTIME, seconds=8)
    assert result == TrialResult(message="does not end within 8 seconds", crashed=True)
    assert time.monotonic() - start < 20


ASK = """
import numpy as np
from edge.core.system import free_memory
from edge.engines.trial import limit_resources
asked = int(0.9 * free_memory())
limit_resources(60, memory={memory})
try:
    np.empty(asked, np.uint8)  # it is not written, so no memory is used
    print("granted")
except MemoryError:
    print("refused")
"""


@pytest.mark.parametrize(("memory", "answer"), [(True, "refused"), (False, "granted")])
def test_the_memory_of_a_trial_is_limited(memory, answer):
    if free_memory() is None:
        pytest.skip("this system does not say how much memory is free")
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(memory=memory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == answer, done.stderr


def test_a_trial_uses_the_same_engine_as_load(deeplab):
    engine = load(deeplab, LITERT)
    assert (engine.name, engine.threads) == ("litert", 1)
    assert open_engine(deeplab, "litert", 1).share == engine.share

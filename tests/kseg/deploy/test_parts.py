"""Networks of regions in parts: the results are those of the Keras network."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from functools import lru_cache

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge.app import camera
from edge.core.constants import palette
from edge.core.errors import InputError
from edge.engines.base import TensorSpec
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import read_info
from edge.predict.open import open_predictor, predictor_of
from kseg.cli.evaluate import main as evaluate
from kseg.cli.export import main as export
from kseg.cli.train import main as train
from kseg.core.runs import BEST
from kseg.deploy.lint.rules import lint
from kseg.deploy.parts import region_parts
from kseg.models import build_model, geometry
from kseg.models.keras_engine import KerasEngine
from kseg.models.saving import load_model
from tests.kseg.deploy.conversion.test_tflite import assert_builtin_and_static
from tests.support.outputs import FixedOutputs

SIZE = (48, 60)  # padded by the network to 48 x 64
SMALL = {"width": 4, "strides": (4, 8), "fc_width": 16, "anchor_scale": 4.0}
OPTIONS = {
    "rpn": {"before": 30},
    # More proposals than a part takes at a time.
    "mask_rcnn": {"counts": (90, 110), "training_counts": (30, 12)},
}
# Layer -> deviation of its weights: those of an untrained network find next to nothing.
DEVIATIONS = {"rpn_score": 0.3, "rpn_move": 0.05, "score_class": 0.5, "score_box": 0.3}
DECODER = {"kind": "regions", "score": 0.05, "nms": 0.7, "max_detections": 100}


@lru_cache
def network(name: str) -> tuple[keras.Model, ModelInfo]:
    """A small network with random weights, and its description."""
    keras.utils.set_random_seed(0)
    classes = 1 if name == "rpn" else 3
    model = build_model(name, classes, **SMALL, **OPTIONS[name])
    randomize(model)
    info = ModelInfo(
        *(("a", "b", "c")[:classes], palette(4)[1 : 1 + classes]),
        "instance" if name == "mask_rcnn" else "detection",
        decoder=DECODER,
        geometry=geometry(model),
    )
    return model, info


def randomize(model: keras.Model) -> None:
    random = np.random.RandomState(0)
    for layer in model.layers:
        if deviation := DEVIATIONS.get(layer.name):
            kernel, bias = layer.get_weights()
            layer.set_weights([random.normal(0, deviation, kernel.shape), bias])


class KerasPart:
    """A part in Keras, with the interface of `TFLitePart`."""

    name, threads, accelerator, share, first_millis = "keras", None, "", None, None

    def __init__(self, part):
        self.part = part
        described = zip(part.inputs, part.shapes, part.dtypes, strict=True)
        self.inputs = {
            role: TensorSpec(role, shape, np.dtype(dtype))
            for role, shape, dtype in described
        }
        outputs = part.model([np.zeros(x.shape, x.dtype) for x in self.inputs.values()])
        self.outputs = tuple(
            TensorSpec(role, tuple(x.shape), np.dtype("f4"))
            for role, x in outputs.items()
        )

    def __call__(self, tensors):
        outputs = self.part.model([tensors[role][None] for role in self.part.inputs])
        return {role: np.asarray(x)[0] for role, x in outputs.items()}


def outputs_of(model, image) -> FixedOutputs:
    """A network's outputs for an image as an engine; tracing would take seconds."""
    outputs = model(image[None].astype(np.float32), training=False)
    return FixedOutputs({role: np.asarray(x)[0] for role, x in outputs.items()}, SIZE)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_parts_find_what_the_network_finds(name):
    model, info = network(name)
    image = np.random.RandomState(1).randint(0, 256, (*SIZE, 3)).astype(np.uint8)
    reference = predictor_of(outputs_of(model, image), info)
    parted = region_parts(model, SIZE)
    first = outputs_of(parted.first, image)
    first.parts = {role: KerasPart(part) for role, part in parted.others.items()}
    roles = tuple(spec.name for spec in first.outputs)
    decoder = {**DECODER, **parted.decoder, "parts": dict.fromkeys(first.parts, "x")}
    predictor = predictor_of(first, replace(info, decoder=decoder, outputs=roles))
    assert_equal(predictor.predict(image), reference.predict(image))


def assert_equal(found, expected):
    """Boxes to 0.01 pixels, scores to 1e-4."""
    assert len(found) == len(expected) > 10
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    if hasattr(expected, "mask_crops"):
        for crop, each in zip(found.mask_crops, expected.mask_crops, strict=True):
            np.testing.assert_allclose(crop, each, atol=1e-3)
        spans = found.mask_spans, expected.mask_spans
        np.testing.assert_allclose(*spans, atol=0.01)


def test_the_parts_of_a_network():
    model, _ = network("mask_rcnn")
    parted = region_parts(model, SIZE)
    heads, masks = parted.others["heads"], parted.others["masks"]
    assert heads.inputs == ("boxes", "level4", "level8")
    # 48 x 64 pixels at strides 4 and 8; levels are a quarter as wide as dense layers.
    assert heads.shapes == ((1, 100, 4), (1, 12, 16, 4), (1, 6, 8, 4))
    assert masks.inputs == ("boxes", "class_ids", "level4", "level8")
    assert masks.shapes[:2] == ((1, 8, 4), (1, 8))
    assert (parted.decoder["before"], parted.decoder["after"]) == (90, 110)
    assert region_parts(network("rpn")[0], SIZE).others == {}


@pytest.fixture(scope="module")
def run(object_data, tmp_path_factory):
    """A run of mask_rcnn that finds many objects at random, exported to float32."""
    folder = tmp_path_factory.mktemp("parts") / "run"
    options = ["--data", str(object_data), "--output", str(folder), "--epochs", "1"]
    options += ["--width", "4", "--fc-width", "16", "--size", "64x64"]
    assert train(["--model", "mask_rcnn", "--task", "instance", *options]) == 0
    info, model = read_info(folder / BEST), load_model(folder / BEST)
    randomize(model)
    model.save(folder / BEST)
    info.attach(folder / BEST)
    for scheme in ("int8", "onnx"):
        with pytest.raises(InputError, match=f"^--quantize {scheme}: not available"):
            export([str(folder), "--quantize", scheme])
    export([str(folder), "--quantize", "float32"])
    return folder


@pytest.mark.slow
def test_an_exported_run(run, tmp_path):
    names = ["float32.tflite", "float32.heads.tflite", "float32.masks.tflite"]
    for name in names:
        assert_builtin_and_static(run / name)
        assert not [x for x in lint(run / name) if x.severity == "error"]
    for name in names[1:]:  # features at three strides, two products each
        operators = Counter(
            x["op_name"] for x in Interpreter(str(run / name))._get_ops_details()
        )
        assert operators["BATCH_MATMUL"] == 6
        assert not {"GATHER", "GATHER_ND"} & set(operators)
    parity = json.loads((run / "parity.json").read_text(encoding="utf-8"))
    assert abs(parity["float32"]["drop"]) < 1e-6
    assert parity["float32"]["agreement"] > 0.999
    assert parity["float32"]["bytes"] == sum((run / x).stat().st_size for x in names)
    assert ", ".join(names) in (run / "card.md").read_text(encoding="utf-8")
    decoder = read_info(run / "float32.tflite").decoder
    assert decoder["parts"] == {"heads": names[1], "masks": names[2]}
    evaluate([str(run / "float32.tflite")])
    shown = ["--source", "shapes", "--headless", "--max-frames", "2"]
    stats = tmp_path / "stats.json"
    path = run / names[0]
    assert camera.main([str(path), *shown, "--stats", str(stats)]) == 0
    stages = json.loads(stats.read_text(encoding="utf-8"))["stage_millis"]
    assert {"network", "proposals", "heads", "masks"} <= set(stages)


@pytest.mark.slow
def test_exported_files_find_what_the_network_finds(run):
    model, info = load_model(run / BEST), read_info(run / BEST)
    reference = predictor_of(KerasEngine(model, (64, 64)), info)
    predictor = open_predictor(run / "float32.tflite", threads=1)
    image = np.random.RandomState(1).randint(0, 256, (64, 64, 3)).astype(np.uint8)
    for score in (0.05, 0.3):
        each = (x.with_decoder({"score": score}) for x in (predictor, reference))
        assert_equal(*(x.predict(image) for x in each))


@pytest.mark.slow
def test_a_file_without_its_parts(run, tmp_path):
    shutil.copy(run / "float32.tflite", tmp_path)
    with pytest.raises(InputError, match="needs float32.heads.tflite beside it"):
        open_predictor(tmp_path / "float32.tflite")
    with pytest.raises(InputError, match="give float32.tflite instead"):
        open_predictor(run / "float32.masks.tflite")

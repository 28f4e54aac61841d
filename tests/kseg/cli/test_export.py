import json
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.engines.select import open_engine
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import read_info
from edge.predict.semantic import SemanticPredictor
from kseg.cli.export import main
from kseg.data.open import open_data
from kseg.deploy.conversion import tflite
from kseg.deploy.export import log_effect_of_size
from kseg.deploy.parity import largest_drop
from kseg.evaluation.open import open_predictor
from kseg.evaluation.shifts import SHIFTS
from tests.support.engines import only
from tests.support.posix import needs_posix


def interpreter(path: Path):
    from ai_edge_litert.interpreter import Interpreter

    result = Interpreter(model_path=str(path))
    result.allocate_tensors()
    return result


def test_parity_has_the_keys_of_the_contract(exported):
    parity = json.loads((exported / "parity.json").read_text(encoding="utf-8"))
    assert parity.pop("headline") == "mean_iou"
    assert list(parity) == ["keras", "float32", "int8"]
    for scheme in ("float32", "int8"):
        row = parity[scheme]
        of_int8 = {"calibration", "bias_correction"}
        assert set(row) - of_int8 == set(parity["keras"])
        assert set(row["shifts"]) == set(SHIFTS) and row["shift_images"] == 4
        content = (exported / f"{scheme}.tflite").read_bytes()
        assert row["bytes"] == len(content)
        assert row["compressed_bytes"] == len(zlib.compress(content, 9))
        assert row["latency_millis"] > 0 and row["single_thread_millis"] > 0
        assert row["drop"] == pytest.approx(
            parity["keras"]["mean_iou"] - row["mean_iou"], abs=1e-12
        )
    assert parity["int8"]["calibration"]["images"] == 8
    assert parity["int8"]["bias_correction"] is True
    assert "calibration" not in parity["float32"]
    assert largest_drop(parity["float32"])[0] < 1e-3
    assert parity["float32"]["agreement"] > 0.9999
    assert abs(parity["float32"]["drop"]) < 1e-3
    assert parity["int8"]["agreement"] > 0.9


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_files_stand_alone(exported, scheme):
    """uint8 in and out, static shapes, builtin operators, its own description."""
    path = exported / f"{scheme}.tflite"
    model = interpreter(path)
    (given,), (out,) = model.get_input_details(), model.get_output_details()
    assert given["dtype"] == np.uint8 and given["shape"].tolist() == [1, 64, 80, 3]
    assert given["shape_signature"].tolist() == [1, 64, 80, 3]
    assert out["dtype"] == np.uint8 and out["shape"].tolist() == [1, 64, 80]
    # A flex or other custom operator has no builtin name.
    names = {op["op_name"] for op in model._get_ops_details()}
    assert not {n for n in names if n.startswith(("Flex", "CUSTOM"))}
    info = read_info(path)
    assert (
        info.head == "labels"
        and info.class_names[1] == "disc"
        and info.geometry.minimum == 16
    )
    assert info.run["width"] == 4
    assert info.metrics == json.loads(
        (exported / "metrics.json").read_text(encoding="utf-8")
    )
    if scheme == "int8":
        # int8 is x - 128, at the scale that the network had in its normalisation.
        assert given["quantization"] == pytest.approx((1 / 127.5, 128))


def test_int8_has_no_float_inside(exported):
    kinds = {
        detail["dtype"]
        for detail in interpreter(exported / "int8.tflite").get_tensor_details()
    }
    assert np.float32 not in kinds


def test_the_labels_head_is_the_argmax_of_the_keras_model(exported):
    data = open_data(
        json.loads((exported / "config.json").read_text(encoding="utf-8"))["data"][
            "name"
        ]
    )
    image = data.split("val").read(0).image
    keras_labels = open_predictor(exported / "model.keras").predict(image).labels
    labels = open_predictor(exported / "float32.tflite").predict(image).labels
    assert (keras_labels == labels).mean() > 0.9999


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("logits", marks=pytest.mark.full),
        pytest.param("probabilities", marks=pytest.mark.slow),
    ],
)
def test_other_heads_and_sizes(trained, tmp_path, head):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    arguments = ["--head", head, "--size", "48x50", "--max-drop", "1"]
    main([str(folder), *arguments, "--calibration-images", "4"])
    image = np.random.RandomState(0).randint(0, 256, (48, 50, 3), np.uint8)
    exact = only(open_engine(folder / "float32.tflite"), image)
    coarse = only(open_engine(folder / "int8.tflite"), image)
    assert exact.shape == coarse.shape == (48, 50, 6)
    assert exact.dtype == coarse.dtype == np.float32
    if head == "probabilities":
        np.testing.assert_allclose(exact.sum(-1), 1, atol=1e-5)
        assert np.abs(exact - coarse).mean() < 0.1
    assert read_info(folder / "int8.tflite").head == head


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no/run"], "no/run: not a run folder"),
        (["{run}", "--size", "8x80"], "network's minimum is 16x16"),
        (["{run}", "--quantize", "int7"], "'int7' is not one of float32, float16"),
        (["{run}", "--data", "no/data"], "no such data folder"),
    ],
)
def test_bad_use_is_one_line(trained, arguments, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        main([argument.format(run=trained) for argument in arguments])
    assert "\n" not in str(caught.value)


def test_data_that_are_gone_can_be_named(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    record["config"]["data"] = str(tmp_path / "moved")
    (folder / "config.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="moved: folder not found.*--data"):
        main([str(folder)])


def test_a_failing_conversion_leaves_no_file(trained, tmp_path):
    """A run folder whose model is damaged: refused, and nothing is half-written."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    content = (folder / "model.keras").read_bytes()
    (folder / "model.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        InputError, match="model.keras: not a Keras model, or truncated"
    ):
        main([str(folder)])
    assert not list(folder.glob("*.tflite"))


@pytest.mark.slow
def test_a_network_of_valid_convolutions_is_exported_as_a_tile(tmp_path):
    """A picture that needs nine of them, in both engines."""
    from kseg.deploy.conversion.tflite import convert
    from kseg.deploy.heads import logits
    from kseg.models import build_model, geometry
    from kseg.models.keras_engine import KerasEngine

    network, size = build_model("unet_paper", 3, width=4), (204, 220)
    info = ModelInfo(tuple("abc"), palette(3), geometry=geometry(network))
    path = tmp_path / "float32.tflite"
    path.write_bytes(convert(network, "float32", size, logits, list))
    info.attach(path)
    image = np.random.RandomState(0).randint(0, 256, (45, 70, 3)).astype(np.uint8)
    expected = SemanticPredictor(KerasEngine(network, size), info).predict(image).labels
    predictor = open_predictor(path)
    assert predictor.info == info
    assert [len(row) for row in predictor.prepare(image)[0]] == [3, 3, 3]
    assert len(np.unique(expected)) > 1
    assert (predictor.predict(image).labels == expected).mean() > 0.9999
    frame = np.ascontiguousarray(image[..., ::-1])
    np.testing.assert_array_equal(
        predictor.predict(frame, order="BGR").labels, predictor.predict(image).labels
    )


@pytest.mark.slow
def test_every_post_training_scheme(trained, tmp_path, capsys):
    """Bytes in, each with its own weights; the same labels but for rounding."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    schemes = list(tflite.SCHEMES)
    arguments = ["--quantize", ",".join(schemes), "--calibration-images", "4"]
    main([str(folder), *arguments, "--max-drop", "1"])
    parity = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    assert list(parity) == ["headline", "keras", *schemes]
    table = capsys.readouterr().out
    weights = {}
    for scheme in schemes:
        assert scheme in table
        model = interpreter(folder / f"{scheme}.tflite")
        (given,), (out,) = model.get_input_details(), model.get_output_details()
        assert given["dtype"] == out["dtype"] == np.uint8
        assert out["shape"].tolist() == [1, 64, 80]
        weights[scheme] = {
            tensor["dtype"]
            for tensor in model.get_tensor_details()
            if len(tensor["shape"]) == 4 and tensor["shape"][0] > 1
        }
    assert weights["float32"] == {np.float32}
    assert np.float16 in weights["float16"]
    assert np.int8 in weights["dynamic"]
    assert weights["int8"] == weights["int16x8"] == {np.int8}
    assert parity["float16"]["agreement"] > 0.99
    assert parity["int16x8"]["agreement"] > parity["int8"]["agreement"] - 0.01
    sizes = [parity[s]["bytes"] for s in ("float32", "float16", "dynamic")]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("head", ["labels", "logits"])
def test_low_resolution_leaves_the_last_enlargement_out(trained, tmp_path, head):
    """U-Net on plain ends at full size already: only an encoder with a stem has one."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    with pytest.raises(InputError, match="does not end in an upsampling.*; leave out"):
        main([str(folder), "--low-resolution", "--head", head])
    assert not list(folder.glob("*.tflite"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
@needs_posix
def test_an_interrupted_export_leaves_no_incomplete_file(trained, tmp_path, name):
    """Stopped while it converts to int8: other files are complete, int8 is missing."""
    number = signal.Signals[name]
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    command = [sys.executable, "-m", "kseg.export", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("converting to int8"):
                process.send_signal(number)
                break
        said = process.stderr.read()
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in said
    assert [path.name for path in folder.rglob("*.tflite")] == ["float32.tflite"]
    assert open_engine(folder / "float32.tflite").size == (64, 80)
    assert not (folder / "parity.json").exists()


def test_what_the_size_alone_costs_is_said(capsys):
    log_effect_of_size("mean_iou", 0.75, 0.55, (96, 128), 0.02)
    assert "Keras model at 96x128: mean IoU 0.5500" in capsys.readouterr().err
    log_effect_of_size("mean_iou", 0.75, 0.74, (96, 128), 0.02)
    log_effect_of_size("mean_iou", None, 0.1, (96, 128), 0.02)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--sparsity", "0.3"], "--sparsity: has no effect without a scheme that"),
        (["--quantize", "pruned", "--clusters", "8"], "--clusters: has no effect"),
        (
            ["--check", "a.tflite", "--mend"],
            "--mixed-precision: has no effect with --check",
        ),
        (
            ["--quantize", "float16", "--explain"],
            "--explain: has no effect without int8",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(trained, options, line):
    with pytest.raises(InputError, match=line):
        main([str(trained), *options])

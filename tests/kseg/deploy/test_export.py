"""Runs of objects, exported by the command and run on a device."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import kseg
from edge.app import camera
from edge.core.errors import InputError
from edge.core.images import read_image
from edge.engines.select import open_engine
from edge.model_file.flatbuffer import standard_metadata
from edge.model_file.metadata import read_info
from edge.predict import open_predictor
from kseg.cli.check import main as check
from kseg.cli.export import main
from kseg.core.configs import ExportConfig
from kseg.data.open import open_data
from kseg.deploy import export
from kseg.deploy.int8.mixed_precision import SelectiveInt8
from kseg.deploy.int8.sensitivity import FusedOp
from kseg.deploy.lint.graph import read_graphs
from kseg.deploy.lint.rules import lint
from tests.kseg.conftest import train_objects

pytestmark = pytest.mark.slow  # one export takes 20 seconds

ROLES = {"boxes", "coefficients", "prototypes", "scores"}


def parity_of(run: Path) -> dict:
    return json.loads((run / "parity.json").read_text(encoding="utf-8"))


def specs_of(path: Path) -> dict:
    """The outputs of a file by their roles."""
    return dict(zip(read_info(path).outputs, open_engine(path).outputs, strict=True))


def copy_of(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "run")


def test_parity_compares_objects(exported_objects):
    parity = parity_of(exported_objects)
    assert parity.pop("headline") == "mask_ap"
    assert list(parity) == ["keras", "float32", "int8"]
    keras, exact, int8 = parity.values()
    assert keras["mask_ap"] > 0.3 and keras["box_ap"] > 0.5
    assert exact["agreement"] > 0.99 and abs(exact["drop"]) < 1e-3
    assert exact["mean_matched_iou"] > 0.999 and exact["score_difference"] < 1e-3
    assert int8["agreement"] > 0.6 and int8["mean_matched_iou"] > 0.85
    assert 0 < int8["score_difference"] < 0.05
    assert abs(int8["drop"]) < 0.05
    assert int8["box_ap"] == pytest.approx(keras["box_ap"], abs=0.1)
    assert int8["head"] == "raw" and int8["size"] == [64, 64]
    assert set(int8["outputs"]) == ROLES  # of --explain
    assert int8["calibration"]["images"] == 8


def test_each_output_of_int8_has_its_own_scale(exported_objects):
    specs = specs_of(exported_objects / "int8.tflite")
    assert set(specs) == ROLES and {s.dtype for s in specs.values()} == {np.dtype("u1")}
    kept = {role: (spec.scale, spec.zero_point) for role, spec in specs.items()}
    assert kept["scores"] == (1 / 256, 0) and kept["coefficients"] == (1 / 128, 128)
    assert kept["prototypes"][1] == 0 and kept["boxes"][0] > 0
    info = read_info(exported_objects / "int8.tflite")
    assert (info.task, info.head) == ("instance", "raw")
    assert info.decoder["strides"] == [4, 8]


@pytest.mark.parametrize(("scheme", "others"), [("float32", 1), ("int8", 5)])
def test_xnnpack_runs_all_but_the_conversions_of_bytes(
    exported_objects, scheme, others
):
    """That of the image, and in int8 those of the four outputs."""
    path = exported_objects / f"{scheme}.tflite"
    (graph,) = read_graphs(path)
    total, share = len(graph.operators), open_engine(path).share
    assert share == pytest.approx(1 - others / total)
    rim = {"float32": "CAST", "int8": "QUANTIZE"}[scheme]
    assert [x.name for x in graph.operators].count(rim) == others


def test_files_find_the_objects_that_the_network_finds(exported_objects, object_data):
    image = read_image(object_data / "val" / "images" / "s0.png", 3)
    found = [
        open_predictor(exported_objects / f"{scheme}.tflite").predict(image)
        for scheme in ("float32", "int8")
    ]
    assert len(found[0]) and abs(len(found[0]) - len(found[1])) <= 1
    target = open_data(str(object_data)).split("val").read(0).target
    assert abs(len(found[0]) - len(target.boxes)) <= 2
    maps = [result.label_map() > 0 for result in found]
    assert (maps[0] == maps[1]).mean() > 0.9


def test_metadata_name_the_outputs_and_are_not_those_of_a_detector(exported_objects):
    path = exported_objects / "int8.tflite"
    inside = standard_metadata(path.read_bytes())
    assert b"Instance segmentation" in inside and b"DETECTOR" not in inside
    places = {role: inside.find(role.encode() + b"\0") for role in ROLES}
    assert min(places.values()) > 0


def test_the_check_says_what_the_file_is(exported_objects, capsys):
    check([str(exported_objects / "int8.tflite")])
    shown = capsys.readouterr().out
    assert "no task of MediaPipe reads it: a model of the task instance" in shown
    assert "scores uint8 [1, 320, 5]" in shown and "ImageSegmenter" not in shown
    assert "error" not in shown


def test_the_card_has_the_licence_and_the_files(exported_objects):
    text = (exported_objects / "card.md").read_text(encoding="utf-8")
    assert "- Task: instance" in text and "- Licence of the data: CC0 1.0" in text
    assert "| int8.tflite | " in text and "- At most 100 objects in an image" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--low-resolution"], "--low-resolution: .* does not end in an upsampling"),
        (["--head", "labels"], "--head labels: not known for instance; use raw, "),
    ],
)
def test_options_of_semantic_models_are_refused(
    trained_objects, tmp_path, options, message
):
    run = copy_of(trained_objects, tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        main([str(run), *options])
    assert "\n" not in str(caught.value) and not list(run.glob("*.tflite"))


def test_the_head_boxes_makes_detection_files(trained_objects, tmp_path, caplog):
    run = copy_of(trained_objects, tmp_path)
    options = ["--head", "boxes", "--max-drop", "0.1", "--explain"]
    with caplog.at_level("INFO"):
        main([str(run), *options])
    assert "--head boxes: the files are of the task detection" in caplog.text
    parity = parity_of(run)
    assert parity["headline"] == "box_ap" and "mask_ap" not in parity["keras"]
    assert parity["int8"]["head"] == "boxes"
    assert set(parity["int8"]["outputs"]) == {"scores", "boxes"}  # of --explain
    for scheme, dtype in (("float32", np.float32), ("int8", np.uint8)):
        path = run / f"{scheme}.tflite"
        specs = specs_of(path)
        assert set(specs) == {"scores", "boxes"}
        assert {spec.dtype for spec in specs.values()} == {np.dtype(dtype)}
        info = read_info(path)
        assert (info.task, info.head, info.resize) == ("detection", "boxes", "stretch")
        assert info.decoder["strides"] == [4, 8]
        assert b"DETECTOR_METADATA" in standard_metadata(path.read_bytes())
        assert not [x for x in lint(path) if x.device == "MediaPipe"]
    card = (run / "card.md").read_text(encoding="utf-8")
    assert "- Task: detection" in card and "mask" not in card
    metrics = kseg.evaluate(run / "int8.tflite").metrics
    assert metrics["box_ap"] == pytest.approx(parity["int8"]["box_ap"], abs=1e-6)


def test_it_runs_in_the_camera_loop(exported_objects, tmp_path):
    lines = tmp_path / "lines.jsonl"
    options = ["--source", "shapes", "--headless", "--max-frames", "3"]
    options += ["--frames-json", str(lines)]
    assert camera.main([str(exported_objects / "int8.tflite"), *options]) == 0
    first = json.loads(lines.read_text(encoding="utf-8").splitlines()[0])
    assert "objects" in first


@pytest.mark.parametrize("scheme", ["float16", "dynamic", "int16x8"])
def test_other_schemes_have_float_outputs(trained_objects, tmp_path, scheme):
    run = copy_of(trained_objects, tmp_path)
    main([str(run), "--quantize", scheme, "--max-drop", "0.1"])
    specs = specs_of(run / f"{scheme}.tflite")
    assert set(specs) == ROLES
    assert {spec.dtype for spec in specs.values()} == {np.dtype(np.float32)}
    assert parity_of(run)[scheme]["agreement"] > 0.7


def test_qat_is_about_as_accurate_as_int8_and_has_the_same_scales(
    exported_objects, tmp_path
):
    pytest.importorskip("tensorflow_model_optimization")
    run = copy_of(exported_objects, tmp_path)
    plain = parity_of(run)["int8"]["mask_ap"]
    main([str(run), "--quantize", "qat", "--fine-tune-epochs", "1", "--max-drop", "1"])
    # The AP of 8 images: between machines, that of either file moves by 0.02.
    assert parity_of(run)["qat"]["mask_ap"] > plain - 0.05
    specs = specs_of(run / "qat.tflite")
    kept = {role: (spec.scale, spec.zero_point) for role, spec in specs.items()}
    assert kept["scores"] == (1 / 256, 0) and kept["coefficients"] == (1 / 128, 128)
    assert kept["prototypes"][1] == 0


@pytest.mark.parametrize(
    "scheme", ["pruned-int8", pytest.param("clustered-int8", marks=pytest.mark.full)]
)
def test_weights_are_pruned_and_clustered(trained_objects, tmp_path, scheme):
    pytest.importorskip("tensorflow_model_optimization")
    run = copy_of(trained_objects, tmp_path)
    options = ["--quantize", scheme, "--fine-tune-epochs", "2", "--max-drop", "1"]
    main([str(run), *options])
    row = parity_of(run)[scheme]
    assert row["mask_ap"] > 0.1
    assert row["compressed_bytes"] < 0.8 * row["bytes"]


def test_a_run_of_boxes_is_exported(object_data, tmp_path):
    train_objects(object_data, tmp_path / "run", "detection")
    main([str(tmp_path / "run"), "--quantize", "int8", "--max-drop", "0.1"])
    parity = parity_of(tmp_path / "run")
    assert parity["headline"] == "box_ap" and parity["int8"]["agreement"] > 0.6
    assert "mask_ap" not in parity["int8"]
    path = tmp_path / "run" / "int8.tflite"
    assert set(specs_of(path)) == {"boxes", "scores"}
    inside = standard_metadata(path.read_bytes())
    assert b"Object detection" in inside and b"DETECTOR" not in inside
    assert "- Task: detection" in (tmp_path / "run" / "card.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("layers", [["encoder_down1_1_conv"], ["prototype", "box4"]])
def test_mixed_precision_keeps_bytes_at_the_ends(trained_objects, tmp_path, layers):
    run = copy_of(trained_objects, tmp_path)
    source = export.open_run(ExportConfig(run=str(run)), run)
    calibration = source.calibration(export.choose_images(source.data, 4))
    selective = SelectiveInt8(source.network, source.size, source.head, calibration)
    content = selective.convert([FusedOp((name,)) for name in layers])
    (tmp_path / "mixed.tflite").write_bytes(content)
    engine = open_engine(tmp_path / "mixed.tflite")
    kinds = {engine.input.dtype, *(spec.dtype for spec in engine.outputs)}
    assert kinds == {np.dtype("u1")}
    expected = source.info.metrics["mask_ap"]
    assert source.value_of_file(content) == pytest.approx(expected, abs=0.1)

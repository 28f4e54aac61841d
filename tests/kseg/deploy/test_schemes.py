"""The schemes that a network can be exported to."""

import json

import pytest

from edge.app import camera
from edge.core.errors import InputError
from edge.model_file.metadata import read_info
from kseg.cli.export import main
from kseg.cli.train import main as train
from kseg.core.configs import ExportConfig
from kseg.core.names import FLOAT_ONLY, MODEL_NAMES, NO_ONNX
from kseg.deploy.schemes import with_schemes


def test_the_usual_schemes():
    assert with_schemes(ExportConfig("run"), "unet").quantize == ("float32", "int8")
    assert with_schemes(ExportConfig("run"), "detr").quantize == ("float32", "float16")
    given = ExportConfig("run", quantize=("onnx", "float16"))
    for model in ("unet", "detr"):
        assert with_schemes(given, model) == given


@pytest.mark.parametrize("scheme", ("int8", "dynamic", "int16x8", "qat", "pruned"))
@pytest.mark.parametrize("model", FLOAT_ONLY)
def test_quantized_schemes_of_float_networks_are_refused(model, scheme):
    assert model in MODEL_NAMES
    with pytest.raises(InputError) as caught:
        with_schemes(ExportConfig("run", quantize=("float32", scheme)), model)
    text = str(caught.value)
    assert text.startswith(f"--quantize {scheme}: not available for {model}: ")
    assert FLOAT_ONLY[model] in text and "\n" not in text


@pytest.mark.parametrize("model", NO_ONNX)
def test_networks_without_onnx_files(model):
    with pytest.raises(InputError) as caught:
        with_schemes(ExportConfig("run", quantize=("float32", "onnx")), model)
    text = str(caught.value)
    assert text.startswith(f"--quantize onnx: not available for {model}: ")
    assert text.endswith("use --quantize float32,float16") and "\n" not in text


@pytest.mark.slow
def test_detr_in_every_scheme_and_in_the_camera_loop(object_data, tmp_path):
    run = tmp_path / "run"
    options = ["--layers", "1", "--queries", "12", "--attention-width", "32"]
    options += ["--width", "4", "--size", "64x64", "--epochs", "1", "--dropout", "0"]
    places = ["--data", str(object_data), "--output", str(run), "--task", "detection"]
    assert train(["--model", "detr", *places, *options]) == 0
    with pytest.raises(InputError, match="^--quantize int8: not available for detr"):
        main([str(run), "--quantize", "int8"])
    schemes = ["float32", "float16"]
    if pytest.importorskip("tf2onnx"):
        schemes.append("onnx")
    main([str(run), "--quantize", ",".join(schemes)])
    parity = json.loads((run / "parity.json").read_text(encoding="utf-8"))
    assert [name for name in parity if name != "headline"] == ["keras", *schemes]
    assert abs(parity["float32"]["drop"]) < 1e-3
    assert set(read_info(run / "float32.tflite").outputs) == {"scores", "boxes"}
    assert "overlap" not in (run / "card.md").read_text(encoding="utf-8")
    lines = tmp_path / "lines.jsonl"
    shown = ["--source", "shapes", "--headless", "--max-frames", "2"]
    shown += ["--frames-json", str(lines), "--score", "0.05"]
    for name in ("float32.tflite", "float16.tflite"):
        assert camera.main([str(run / name), *shown]) == 0
        first = json.loads(lines.read_text(encoding="utf-8").splitlines()[0])
        assert "objects" in first

"""A network that loses accuracy in int8 and regains it in mixed precision."""

import json

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge.core.errors import GateFailed, InputError
from kseg.deploy.int8.mixed_precision import (
    SelectiveInt8,
    mixed_precision,
    operator_outputs,
)
from tests.kseg.conftest import write_data
from tests.support.tflite import operator, tensor, tflite


def scale_channels(model):
    """Scales a layer's channels over four orders of magnitude, and back in the next."""
    layers = {layer.name: layer for layer in model.layers}
    norm, conv = layers["encoder_down2_1_bn"], layers["encoder_down2_2_conv"]
    spread = np.logspace(-2, 2, norm.gamma.shape[0], dtype=np.float32)
    norm.gamma.assign(norm.gamma * spread)
    norm.beta.assign(norm.beta * spread)
    conv.kernel.assign(conv.kernel / spread[None, None, :, None])


@pytest.fixture(scope="module")
def badly_quantized(tmp_path_factory):
    """A short training run whose network loses much accuracy in int8."""
    from edge.model_file.metadata import info_of
    from kseg.cli.train import main
    from kseg.core.runs import BEST
    from kseg.models.saving import load_model, save_model

    folder = tmp_path_factory.mktemp("badly_quantized") / "run"
    data = folder.with_name("data")
    write_data(data, {"train": 240, "val": 12}, (64, 64))
    options = ["--width", "8", "--size", "64x64", "--epochs", "6", "--no-flip"]
    main(["--data", str(data), "--output", str(folder), *options, "--scale", "1"])
    path = folder / BEST
    info, model = info_of(path), load_model(path)
    scale_channels(model)
    path.unlink()
    save_model(model, path, info)
    return folder


@pytest.mark.slow
def test_explain_finds_the_layers_and_mixed_precision_keeps_them_in_float(
    badly_quantized, capsys
):
    from kseg.cli.export import main

    plain = [str(badly_quantized), "--quantize", "int8", "--calibration-images", "16"]
    with pytest.raises(GateFailed, match="int8: mean IoU dropped by 0"):
        main([*plain, "--max-drop", "0.02"])
    drop = json.loads((badly_quantized / "parity.json").read_text(encoding="utf-8"))[
        "int8"
    ]["drop"]
    assert drop > 0.05
    assert not (badly_quantized / "mixed.tflite").exists()

    main([*plain, "--max-drop", "0.02", "--explain", "--mixed-precision"])
    parity = json.loads((badly_quantized / "parity.json").read_text(encoding="utf-8"))
    assert parity["int8"]["drop"] == pytest.approx(drop, abs=0.02)
    assert parity["mixed"]["drop"] <= 0.02
    assert parity["mixed"]["bytes"] < 1.4 * parity["int8"]["bytes"]
    layers = sorted(parity["int8"]["layers"], key=lambda row: -row["error"])
    expected = {"encoder_down2_1_conv", "encoder_down2_2_conv"}
    assert {row["layer"] for row in layers[:2]} == expected
    out, err = capsys.readouterr()
    assert layers[0]["layer"] in out and "mixed" in out
    assert " of 28 layers in float" in err and "mixed.tflite" in out
    assert (badly_quantized / "explain.png").stat().st_size > 10_000
    (input_details,) = Interpreter(
        str(badly_quantized / "mixed.tflite")
    ).get_input_details()
    assert input_details["dtype"] == np.uint8  # as in the int8 file
    assert not [path for path in badly_quantized.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_no_mixed_precision_file_is_written_within_the_limit(badly_quantized, capsys):
    from kseg.cli.export import main

    arguments = ["--quantize", "int8", "--calibration-images", "8", "--mixed-precision"]
    outdated = badly_quantized / "mended.tflite"  # of an earlier version
    outdated.touch()
    main([str(badly_quantized), *arguments, "--max-drop", "1"])
    assert "no mixed.tflite is needed" in capsys.readouterr().err
    assert not (badly_quantized / "mixed.tflite").exists() and not outdated.exists()


def test_operators_that_read_the_image_stay_in_int8():
    tensors = {name: tensor() for name in ("image", "first", "second", "third")}
    operators = [
        operator("TANH", ["image"], "first"),
        operator("LOGISTIC", ["first"], "second"),
        operator("ADD", ["second", "image"], "third"),
    ]
    assert operator_outputs(tflite(tensors, operators)) == ["second"]


def test_mixed_precision_without_int8_is_rejected(trained):
    from kseg.cli.export import main

    with pytest.raises(
        InputError,
        match="--mixed-precision: has no effect without int8; add int8 to --quantize",
    ):
        main([str(trained), "--quantize", "float32", "--mixed-precision"])


def test_layers_are_moved_to_float_until_the_drop_is_within_the_limit():
    class Counting(SelectiveInt8):
        def __init__(self):
            self.tried = []

        def convert(self, ops):
            self.tried.append(len(ops))
            return bytes(len(ops))

    selective = Counting()
    content, kept, drop = mixed_precision(
        selective, list("abcdefg"), lambda c: 1 / len(c), 0.3
    )
    assert selective.tried == [1, 2, 4] and kept == list("abcd") and drop == 0.25
    assert len(content) == 4

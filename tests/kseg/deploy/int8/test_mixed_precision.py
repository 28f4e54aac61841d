"""A network made to quantize badly: plain int8 ruins it, mending brings it back."""

import json

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge.core.errors import GateFailed, InputError
from kseg.deploy.int8.mixed_precision import SelectiveInt8, mixed_precision


def spoiled(model):
    """One layer's channels over four orders of magnitude, and back in its reader."""
    layers = {layer.name: layer for layer in model.layers}
    norm, conv = layers["encoder_down2_1_bn"], layers["encoder_down2_2_conv"]
    spread = np.logspace(-2, 2, norm.gamma.shape[0], dtype=np.float32)
    norm.gamma.assign(norm.gamma * spread)
    norm.beta.assign(norm.beta * spread)
    conv.kernel.assign(conv.kernel / spread[None, None, :, None])


@pytest.fixture(scope="module")
def ruined(tmp_path_factory):
    """A run of a few minutes' worth of steps whose network int8 ruins."""
    from edge.model_file.metadata import info_of
    from kseg.cli.train import main
    from kseg.core.runs import BEST
    from kseg.models.saving import load_model, save_model

    folder = tmp_path_factory.mktemp("ruined") / "run"
    options = ["--width", "8", "--size", "64x64", "--epochs", "3", "--no-flip"]
    main(["--data", "shapes", "--output", str(folder), *options, "--scale", "1"])
    path = folder / BEST
    info, model = info_of(path), load_model(path)
    spoiled(model)
    path.unlink()
    save_model(model, path, info)
    return folder


@pytest.mark.slow
def test_explain_names_the_layer_and_mend_mends_it(ruined, capsys):
    from kseg.cli.export import main

    plain = [str(ruined), "--quantize", "int8", "--calibration-images", "16"]
    with pytest.raises(GateFailed, match="int8: mean IoU dropped by 0"):
        main([*plain, "--max-drop", "0.02"])
    drop = json.loads((ruined / "parity.json").read_text())["int8"]["drop"]
    assert drop > 0.05
    assert not (ruined / "mended.tflite").exists()

    main([*plain, "--max-drop", "0.02", "--explain", "--mend"])
    parity = json.loads((ruined / "parity.json").read_text())
    assert parity["int8"]["drop"] == pytest.approx(drop, abs=0.02)
    assert parity["mended"]["drop"] <= 0.02
    assert parity["mended"]["bytes"] < 1.4 * parity["int8"]["bytes"]
    layers = sorted(parity["int8"]["layers"], key=lambda row: -row["error"])
    culprits = {"encoder_down2_1_conv", "encoder_down2_2_conv"}
    assert {row["layer"] for row in layers[:2]} == culprits
    out, err = capsys.readouterr()
    assert layers[0]["layer"] in out and "mended" in out
    assert " of 28 layers in float" in err and "mended.tflite" in out
    assert (ruined / "explain.png").stat().st_size > 10_000
    (given,) = Interpreter(str(ruined / "mended.tflite")).get_input_details()
    assert given["dtype"] == np.uint8  # as int8: bytes in
    assert not [path for path in ruined.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_what_needs_no_mending_is_left_alone(ruined, capsys):
    from kseg.cli.export import main

    arguments = ["--quantize", "int8", "--calibration-images", "8", "--mend"]
    main([str(ruined), *arguments, "--max-drop", "1"])
    assert "there is nothing to mend" in capsys.readouterr().err
    assert not (ruined / "mended.tflite").exists()


def test_mend_without_int8_is_refused(trained):
    from kseg.cli.export import main

    with pytest.raises(
        InputError, match="--mend: does nothing without int8; add int8 to --quantize"
    ):
        main([str(trained), "--quantize", "float32", "--mend"])


def test_layers_are_added_until_the_drop_holds():
    class Counting(SelectiveInt8):
        def __init__(self):
            self.tried = []

        def convert(self, spots):
            self.tried.append(len(spots))
            return bytes(len(spots))

    selective = Counting()
    content, kept, drop = mixed_precision(
        selective, list("abcdefg"), lambda c: 1 / len(c), 0.3
    )
    assert selective.tried == [1, 2, 4] and kept == list("abcd") and drop == 0.25
    assert len(content) == 4

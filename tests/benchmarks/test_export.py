import json
from importlib.util import find_spec

import pytest

from benchmarks.export import KERAS_EXPORT, ONNX_VARIANT, export_table, main

HAS_ONNX = all(map(find_spec, ("onnx", "onnxruntime", "tf2onnx")))


@pytest.mark.slow
def test_every_variant_is_timed_and_evaluated(trained, capsys):
    arguments = ["--run", str(trained), "--calibration-images", "4"]
    main([*arguments, "--json", "-"])
    figures = json.loads(capsys.readouterr().out)
    variants = {row["name"]: row for row in figures["ways"]}
    expected = [
        f"{scheme}, {end}"
        for scheme in ("float32", "int8")
        for end in ("labels", "logits", KERAS_EXPORT)  # no low resolution in U-Net
    ]
    if HAS_ONNX:
        expected.append(ONNX_VARIANT)
        assert variants[ONNX_VARIANT]["mean_iou"] == pytest.approx(
            variants["float32, labels"]["mean_iou"], abs=1e-3
        )
    assert list(variants) == expected
    assert figures["pictures"] == 4 and figures["size"] == [64, 80]
    for name, row in variants.items():
        assert 0 < row["bare_millis"] <= row["whole_millis"]
        assert (row["mean_iou"] is None) == name.endswith(KERAS_EXPORT)
    same = variants["float32, labels"]["mean_iou"]
    assert variants["float32, logits"]["mean_iou"] == pytest.approx(same, abs=1e-3)
    assert variants["int8, labels"]["bytes"] < variants["float32, labels"]["bytes"] / 2
    assert (
        variants["int8, logits"]["operators"]
        < variants[f"int8, {KERAS_EXPORT}"]["operators"]
    )


def test_the_table_shows_each_result():
    row = {"bare_millis": 3.14, "whole_millis": 4.04, "operators": 36, "bytes": 508928}
    rows = [
        {"name": "int8, labels", "mean_iou": 0.70711, **row},
        {"name": "int8, Keras export", "mean_iou": None, **row},
    ]
    text = export_table({"size": (360, 480), "pictures": 50, "ways": rows})
    first, second, last = text.splitlines()[2:]
    assert first.split() == ["int8,", "labels", "3.1", "4.0", "0.7071", "36", "497"]
    assert second.split() == ["int8,", "Keras", "export", "3.1", "4.0", "36", "497"]
    assert last == "50 images at 360x480, alternating"

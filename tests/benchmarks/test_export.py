import json
from importlib.util import find_spec

import pytest

from benchmarks.export import ONNX_VARIANT, export_table, main

HAS_ONNX = all(map(find_spec, ("onnx", "onnxruntime", "tf2onnx")))


@pytest.mark.slow
def test_every_way_is_timed_and_measured(trained, capsys):
    arguments = ["--run", str(trained), "--calibration-images", "4"]
    main([*arguments, "--json", "-"])
    figures = json.loads(capsys.readouterr().out)
    ways = {row["name"]: row for row in figures["ways"]}
    expected = [
        f"{scheme}, {end}"
        for scheme in ("float32", "int8")
        for end in ("labels", "logits", "naive")  # the plain U-Net ends at full size
    ]
    if HAS_ONNX:
        expected.append(ONNX_VARIANT)
        assert ways[ONNX_VARIANT]["mean_iou"] == pytest.approx(
            ways["float32, labels"]["mean_iou"], abs=1e-3
        )
    assert list(ways) == expected
    assert figures["pictures"] == 4 and figures["size"] == [64, 80]
    for name, row in ways.items():
        assert 0 < row["bare_millis"] <= row["whole_millis"]
        assert (row["mean_iou"] is None) == name.endswith("naive")
    same = ways["float32, labels"]["mean_iou"]
    assert ways["float32, logits"]["mean_iou"] == pytest.approx(same, abs=1e-3)
    assert ways["int8, labels"]["bytes"] < ways["float32, labels"]["bytes"] / 2
    assert ways["int8, logits"]["operators"] < ways["int8, naive"]["operators"]


def test_table_names_each_figure():
    row = {"bare_millis": 3.14, "whole_millis": 4.04, "operators": 36, "bytes": 508928}
    rows = [
        {"name": "int8, labels", "mean_iou": 0.70711, **row},
        {"name": "int8, naive", "mean_iou": None, **row},
    ]
    text = export_table({"size": (360, 480), "pictures": 50, "ways": rows})
    ours, theirs, last = text.splitlines()[2:]
    assert ours.split() == ["int8,", "labels", "3.1", "4.0", "0.7071", "36", "497"]
    assert theirs.split() == ["int8,", "naive", "3.1", "4.0", "36", "497"]
    assert last == "50 pictures at 360x480, in turns"

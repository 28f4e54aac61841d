"""The benchmark of drawing objects."""

import json

from benchmarks.drawing import main


def test_each_part_is_measured(tmp_path, capsys):
    path = tmp_path / "drawing.json"
    options = ["--objects", "4", "--frame", "96x128", "--rounds", "1"]
    main([*options, "--json", str(path)])
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert 1 <= figures["objects"] <= 4 and figures["frame"] == [96, 128]
    assert {"masks", "boxes and labels", "all"} < set(figures["millis"])
    assert min(figures["millis"].values()) > 0
    assert "objects at 96x128" in capsys.readouterr().out

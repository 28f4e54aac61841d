"""The benchmark of several sources."""

import json

import pytest

from benchmarks.sources import main
from edge.core.errors import InputError


def test_videos_and_cameras_are_measured(tmp_path, capsys):
    path = tmp_path / "sources.json"
    options = ["--frame", "96x128", "--frames", "24", "--rounds", "1"]
    main([*options, "--json", str(path)])
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert figures["sources"] == 2 and figures["network_fps"] > 0
    for kind in ("videos", "cameras"):
        found = figures[kind]
        assert found["ratios"] == [found["ratio"]] * 2  # of one round
        assert found["ratio"] == pytest.approx(
            found["several_fps"] / found["one_fps"], abs=1e-3
        )
        assert 0.5 <= found["least_share"] <= 1
    assert "cameras" in capsys.readouterr().out


def test_one_source_is_not_compared_with_itself():
    with pytest.raises(InputError, match="--sources 1: .* give 2"):
        main(["--sources", "1"])

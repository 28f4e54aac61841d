"""The comparison of networks that find objects."""

import json

import cv2
import pytest

from benchmarks.objects import (
    KNOWN,
    ORDER,
    ObjectsConfig,
    budget_of,
    chart,
    check_budget,
    compare,
    table,
)
from edge.core.errors import InputError
from kseg.core.names import OBJECT_MODELS

ROW = {
    "name": "yolo",
    "box_ap50": 0.5,
    "box_ap": 0.25,
    "box_ar100": 0.125,
    "mask_ap": None,
    "parameters": 1_500_000,
    "train_seconds": 90.0,
    "cost": {"passes": 1.0, "total": 12.34, "proposals": 0.0, "inference": 11.0},
}


def test_every_network_is_compared():
    assert set(KNOWN) == set(OBJECT_MODELS) and len(set(ORDER)) == len(ORDER)


def test_the_budget_is_the_same_for_all():
    config = ObjectsConfig(epochs=3, size=(64, 96))
    assert budget_of(config, "instances") == {
        "epochs": 3,
        "encoder": "plain",
        "size": (64, 96),
    }
    assert budget_of(config, "yolo") == {"epochs": 3, "size": (64, 96)}


def test_a_run_with_another_budget_is_refused(tmp_path):
    folder = tmp_path / "yolo"
    folder.mkdir()
    record = {"config": {"model": "yolo", "epochs": 2, "size": [64, 96]}, "data": {}}
    (folder / "config.json").write_text(json.dumps(record), encoding="utf-8")
    check_budget(ObjectsConfig(epochs=2, size=(64, 96)), folder)
    with pytest.raises(InputError, match="was trained with --epochs 2; use another"):
        check_budget(ObjectsConfig(epochs=3, size=(64, 96)), folder)


def test_the_table_has_a_row_for_each_network():
    lines = table({"networks": [ROW]}).splitlines()
    assert lines[2].split() == "yolo 0.500 0.250 0.125 - 12.3 1 1.50 1.5".split()


def test_the_chart_is_a_picture(tmp_path):
    chart(tmp_path / "chart.png", [ROW, ROW | {"name": "detr", "box_ap": None}])
    assert cv2.imread(str(tmp_path / "chart.png")).shape[1] > 500


@pytest.mark.slow
def test_two_networks_are_trained_and_compared(tmp_path, monkeypatch):
    from kseg.data import shapes

    monkeypatch.setattr(shapes, "OBJECT_SCENES", {"train": 16, "val": 3, "test": 1})
    config = ObjectsConfig(
        models=("yolo", "instances"),
        epochs=1,
        size=(64, 64),
        images=1,
        output=str(tmp_path),
    )
    figures = compare(config)
    assert [row["name"] for row in figures["networks"]] == ["yolo", "instances"]
    for row in figures["networks"]:
        assert 0 <= row["box_ap"] <= 1 and row["cost"]["total"] > 0
        assert row["cost"]["passes"] == 1
    assert (
        json.loads((tmp_path / "objects.json").read_text(encoding="utf-8")) == figures
    )
    assert cv2.imread(str(tmp_path / "predictions.png")).ndim == 3
    assert "yolo" in table(figures)
    again = compare(config)  # nothing is trained again
    assert [row["box_ap"] for row in again["networks"]] == [
        row["box_ap"] for row in figures["networks"]
    ]

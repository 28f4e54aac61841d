"""Mean and deviation over folds."""

import json

import pytest

from kseg.cli.fold_table import folds_table
from kseg.core.configs import TrainConfig, fold_folder, to_record
from kseg.core.fold_runs import SUMMARY, Fold, write_fold
from kseg.core.fold_summary import is_summary, of_classes, spread, summarize_folds
from kseg.core.runs import CONFIG, METRICS
from kseg.reporting.folds import write_folds_page

VALUES = {0: (0.5, {"sky": 0.4, "car": 0.6}), 1: (0.7, {"sky": 0.8, "car": None})}


@pytest.fixture
def folder(tmp_path):
    """Two of three folds are finished."""
    config = to_record(TrainConfig(data="photos", folds=3))
    content = json.dumps({"config": config, "data": {"name": "photos"}})
    (tmp_path / CONFIG).write_text(content, encoding="utf-8")
    for number, (mean, classes) in VALUES.items():
        each = fold_folder(tmp_path, number)
        write_fold(each, Fold([], finished=True))
        metrics = {"mean_iou": mean, "per_class_iou": classes, "images": 4 + number}
        (each / METRICS).write_text(json.dumps(metrics), encoding="utf-8")
    write_fold(fold_folder(tmp_path, 2), Fold([]))
    return tmp_path


def test_the_spread_of_values():
    """Mean (0.2 + 0.6) / 2; deviation sqrt((0.2**2 + 0.2**2) / 1)."""
    found = spread({"a": 0.2, "b": 0.6, "c": None})
    assert found["mean"] == pytest.approx(0.4)
    assert found["std"] == pytest.approx(0.08**0.5)
    assert spread({"a": 0.3})["std"] is None
    assert spread({"a": None}) == {"mean": None, "std": None, "values": {"a": None}}


def test_the_summary_of_the_finished_folds(folder):
    found = summarize_folds(folder, "mean_iou")
    assert (found["folds"], found["finished"]) == (3, 2)
    assert found["mean"] == pytest.approx(0.6)
    assert found["values"] == {"fold0": 0.5, "fold1": 0.7}
    assert found["per_class"]["sky"]["mean"] == pytest.approx(0.6)
    assert found["per_class"]["car"] == {
        "mean": 0.6,
        "std": None,
        "values": {"fold0": 0.6, "fold1": None},
    }
    assert found["images"] == {"fold0": 4, "fold1": 5}
    assert is_summary(found) and not is_summary({"mean_iou": 0.5, SUMMARY: 1})


def test_the_classes_of_objects_have_their_ap():
    metrics = {"mask_ap": 0.5, "per_class": {"dog": {"ap": 0.25, "ap50": 0.5}}}
    assert of_classes(metrics) == {"dog": 0.25}
    assert of_classes({"box_ap": 0.5}) == {}


def test_the_table_and_the_page_show_the_same(folder):
    found = summarize_folds(folder, "mean_iou")
    lines = folds_table(found).splitlines()
    assert lines[0].split() == ["fold0", "fold1", "mean", "std"]
    assert lines[2].split() == ["mean", "IoU", "0.5000", "0.7000", "0.6000", "0.1414"]
    assert lines[5].split() == ["car", "0.6000", "-", "0.6000", "-"]
    assert lines[-1] == "2 of 3 folds are finished"
    write_folds_page(folder, found)
    page = (folder / "report.html").read_text(encoding="utf-8")
    for text in ("0.1414", "fold1/report.html", "mean IoU", "--folds 3", "2 of 3"):
        assert text in page

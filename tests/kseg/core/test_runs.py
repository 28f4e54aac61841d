"""The files of a run folder: history, JSON, and what is missing."""

import json

import pytest

from edge.app.shipped import CHECKOUT, SHIPPED
from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.runs import (
    BEST,
    CHECKPOINT,
    HISTORY,
    find_model,
    json_text,
    read_history,
    read_record,
    reserve,
    write_history,
    write_json,
)

LINES = [
    {"epoch": 1, "loss": 0.5, "val_mean_iou": 0.25},
    {"epoch": 2, "loss": 0.4, "val_mean_iou": 0.3},
]
NAN, INFINITY = float("nan"), float("inf")


def test_a_history_is_read_as_it_was_written(tmp_path):
    write_history(tmp_path / HISTORY, LINES)
    assert read_history(tmp_path / HISTORY) == LINES


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_a_history_never_holds_what_is_not_finite(value, tmp_path):
    path = tmp_path / HISTORY
    write_history(path, LINES)
    before = path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match=f"history.csv: .* because 1.loss is {value};"):
        write_history(path, [LINES[0], LINES[1] | {"loss": value}])
    assert path.read_text(encoding="utf-8") == before


def test_absent_values_are_gaps(tmp_path):
    """Older versions wrote nan and inf; None is an empty cell."""
    path = tmp_path / HISTORY
    path.write_text("epoch,loss,val_loss\n1,nan,0.5\n2,inf,\n", encoding="utf-8")
    values = [(line["loss"], line["val_loss"]) for line in read_history(path)]
    assert str(values) == "[(nan, 0.5), (nan, nan)]"
    write_history(path, [{"epoch": 1, "loss": None}])
    assert path.read_text(encoding="utf-8") == "epoch,loss\n1,\n"


def test_a_missing_history_is_one_line_for_any_reader(tmp_path):
    with pytest.raises(InputError) as caught:
        read_history(tmp_path / HISTORY)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / HISTORY}: is missing; ")
    assert "resume" not in message and "\n" not in message


@pytest.mark.parametrize("text", ["epoch,loss\n1,x\n", "loss\n1\n", "epoch,loss\n1\n"])
def test_a_damaged_history_is_one_line(text, tmp_path):
    (tmp_path / HISTORY).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="history.csv: is damaged"):
        read_history(tmp_path / HISTORY)


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize("where", [{"a": {"b": [1.0, None]}}, {"a": {"b": (1, 2)}}])
def test_json_never_holds_what_is_not_finite(value, where, tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, where)
    before = path.read_text(encoding="utf-8")
    content = {"a": {"b": [*where["a"]["b"], value]}}
    with pytest.raises(InputError, match=f"metrics.json: .* because a.b.2 is {value};"):
        write_json(path, content)
    assert path.read_text(encoding="utf-8") == before
    with pytest.raises(InputError, match="--json -: not written"):
        json_text(content, "--json -")


def test_json_is_what_json_has_always_been(tmp_path):
    content = {"mean_iou": 0.5, "per_class": {"a": None}, "size": (2, 3)}
    write_json(tmp_path / "metrics.json", content)
    expected = json.dumps(content, indent=1) + "\n"
    assert (tmp_path / "metrics.json").read_text(encoding="utf-8") == expected


def test_a_run_without_a_whole_epoch_says_so(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"")
    for find in (lambda: find_model(str(tmp_path)), lambda: read_record(tmp_path)):
        with pytest.raises(
            InputError, match="has no model.keras: .*--resume"
        ) as caught:
            find()
        assert "\n" not in str(caught.value)


def test_a_folder_with_exported_files_alone_names_one(tmp_path):
    (tmp_path / "int8.tflite").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        find_model(str(tmp_path))
    file = tmp_path / "int8.tflite"
    assert str(caught.value) == (
        f"{tmp_path}: has no {BEST}; give its exported file {file}"
    )
    with pytest.raises(
        InputError, match="int8.tflite cannot be trained on; give a run"
    ):
        find_model(str(tmp_path), trained=True)


def test_the_name_of_a_shipped_model_names_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="with kseg is .*shapes.int8.tflite$"):
        find_model("shapes")


def test_a_folder_that_is_no_run_says_so(tmp_path):
    with pytest.raises(InputError, match="not a run folder"):
        read_record(tmp_path)
    with pytest.raises(InputError, match=f"has no {BEST}; kseg train"):
        find_model(str(tmp_path))


def test_a_suffix_in_capitals_is_a_model(tmp_path):
    path = tmp_path / "MODEL.TFLITE"
    path.touch()
    assert find_model(str(path)) == (path, None)
    with pytest.raises(InputError, match="not a model"):
        find_model(__file__)


def test_the_models_that_come_with_kseg_are_kept():
    for name in SHIPPED:
        config = TrainConfig(output=str(CHECKOUT / name), overwrite=True)
        with pytest.raises(InputError, match=f"{name}: holds the model that comes"):
            reserve(config)

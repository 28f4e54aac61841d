"""Options for model files of others, and the file that keeps them."""

import json
from types import SimpleNamespace

import pytest

from edge.core.errors import InputError
from edge.model_file.reading import (
    MARKED,
    NOTHING,
    Reading,
    keep,
    kept_path,
    read_kept,
    reading_of,
)

FULL = Reading(
    classes=("sea", "bird"),
    colors=((1, 2, 3), (4, 5, 6)),
    normalize="imagenet",
    order="BGR",
    layout="NCHW",
    output_name="out",
    threshold=0.25,
    input_size=(32, 64),
)


@pytest.mark.parametrize("reading", [FULL, Reading(classes=("voc",)), NOTHING])
def test_what_is_kept_is_read_back(tmp_path, reading):
    path = tmp_path / "net.onnx"
    assert keep(path, reading) == ""
    assert [file.name for file in tmp_path.iterdir()] == ["net.json"]
    assert read_kept(path) == reading


def test_an_option_given_anew_replaces_the_kept_one():
    new = FULL.updated(Reading(classes=("voc",), threshold=0.0))
    assert (new.classes, new.colors, new.threshold) == (("voc",), (), 0.0)
    assert new.normalize == "imagenet"


def test_a_file_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "net.onnx"
    kept_path(path).write_text('{"format": "graph-model"}', encoding="utf-8")
    assert read_kept(path) == NOTHING
    assert keep(path, FULL) == "it is a file of another program"
    assert json.loads(kept_path(path).read_text(encoding="utf-8")) == {
        "format": "graph-model"
    }


def test_a_folder_of_that_name_is_said(tmp_path):
    kept_path(tmp_path / "net.onnx").mkdir()
    assert read_kept(tmp_path / "net.onnx") == NOTHING
    assert "directory" in keep(tmp_path / "net.onnx", FULL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": 3}, "order: 3 is not a text"),
        ({"order": "GBR"}, "order GBR: is not RGB or BGR"),
        ({"normalise": "0..1"}, "'normalise' is none of classes"),
        ({"normalize": "0,1"}, "normalize"),
        ({"classes": "nuscenes"}, "classes: 'nuscenes' is none of voc"),
        ({"classes": ["a", "a"]}, "classes 0 and 1 are both 'a'"),
        ({"classes": ["a"], "colors": []}, None),
        ({"colors": [[1, 2, 3]]}, "different numbers"),
        ({"threshold": 2}, "2 is not from 0 to 1"),
        ({"threshold": True}, "True is not a number"),
        ({"input_size": [0, 3]}, "input_size"),
        ({"input_size": 3}, "input_size"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, changes, message):
    path = tmp_path / "net.onnx"
    text = json.dumps({"kseg": MARKED, **changes})
    kept_path(path).write_text(text, encoding="utf-8")
    if message is None:
        assert read_kept(path).classes == ("a",)
        return
    with pytest.raises(InputError) as error:
        read_kept(path)
    assert str(error.value).startswith(f"{kept_path(path)}: is damaged")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_half_a_file_is_damaged(tmp_path):
    path = tmp_path / "net.onnx"
    keep(path, FULL)
    text = kept_path(path).read_text(encoding="utf-8")
    kept_path(path).write_text(text[:-20], encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        read_kept(path)


def test_options_are_checked(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("sea\nbird\n", encoding="utf-8")
    given = reading_of(SimpleNamespace(classes=str(names), order="bgr", threshold=0.0))
    assert (given.classes, given.order, given.threshold) == (("sea", "bird"), "BGR", 0)
    for options, message in (
        ({"classes": "nofile.txt"}, "--classes nofile.txt: is no file of names"),
        ({"classes": str(tmp_path)}, "is no file of names"),
        ({"classes": "a,a"}, "classes 0 and 1 are both"),
        ({"layout": "CHWN"}, "--layout CHWN: is not NHWC or NCHW"),
        ({"normalize": "x"}, "--normalize x"),
    ):
        with pytest.raises(InputError, match=message):
            reading_of(SimpleNamespace(**options))


def test_a_file_that_may_not_be_read_is_no_missing_file(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "read_text", refuse)  # root may read all
    with pytest.raises(InputError, match="net.json: may not be read"):
        read_kept(tmp_path / "net.onnx")

"""Model metadata: writing and reading."""

import json
import zipfile
from dataclasses import replace

import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.model_file.info import (
    InputGeometry,
    ModelInfo,
    known_names,
    unknown_model,
)
from edge.model_file.metadata import info_of, read_info

# Root table at 28, the identifier of TFLite, then anything.
FLATBUFFER = b"\x1c\0\0\0TFL3" + bytes(range(256))
INFO = ModelInfo(
    class_names=("sky", "road"),
    colors=((0, 0, 0), (128, 64, 128)),
    head="labels",
    resize="stretch",
    ignore_index=11,
    geometry=InputGeometry(minimum=32, min_input=188, input_step=16, valid_border=92),
    max_side=512,
    white_level=4095.0,
    run={"seed": 1, "size": [64, 64]},
    metrics={"mean_iou": 0.5, "per_class_iou": {"sky": None}},
)


def flatbuffer(folder):
    path = folder / "model.tflite"
    path.write_bytes(FLATBUFFER)
    return path


def test_attached_metadata_are_read_back(tmp_path):
    path = flatbuffer(tmp_path)
    INFO.attach(path)
    assert read_info(path) == INFO


def test_attaching_does_not_change_the_flatbuffer(tmp_path):
    path = flatbuffer(tmp_path)
    INFO.attach(path)
    assert path.read_bytes().startswith(FLATBUFFER)


def test_class_names_are_attached_as_lines(tmp_path):
    path = flatbuffer(tmp_path)
    INFO.attach(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt") == b"sky\nroad\n"
        assert archive.testzip() is None


def test_a_model_without_metadata(tmp_path):
    assert read_info(flatbuffer(tmp_path)) is None


@pytest.mark.parametrize("name", ["labels.txt", "labelmap.txt", "LABELS_en.txt"])
def test_a_model_with_a_labels_file(tmp_path, name):
    path = flatbuffer(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", "nobody\n")
        archive.writestr(name, "sea\r\nbird \n")
    assert read_info(path) is None
    assert info_of(path).class_names[:4] == ("sea", "bird", "class 2", "class 3")
    assert info_of(path) == replace(
        unknown_model(), class_names=info_of(path).class_names
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\0\0TFL3", "is a TFLite model; give it the suffix .tflite"),
        (b"I am no model.", "not an ONNX model"),
        (b"<!DOCTYPE html>", "is no model but a web page"),
    ],
)
def test_what_is_no_onnx_file_has_no_metadata(tmp_path, content, message):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        info_of(path)


def test_equal_names_in_a_labels_file_are_told_apart(tmp_path):
    path = flatbuffer(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "???\nsea\n???\n\n")
    info = info_of(path)
    assert info.class_names[:4] == ("???", "sea", "??? (2)", "class 3")
    assert known_names(info) == ("???", "sea", "??? (2)")


def test_classes_are_numbered_without_a_labels_file(tmp_path):
    path = flatbuffer(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", "nobody\n")
    assert info_of(path) == unknown_model()


def test_a_damaged_labels_file_is_an_error(tmp_path):
    path = flatbuffer(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", b"\xff\xfe\xfd")
    with pytest.raises(InputError, match="model.tflite: its labels file is damaged"):
        info_of(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        b"\xff\xfe\xfd",
        '{"names": ["a"]}',
        '{"colors": [[0, 0, 0]]}',
        '{"names": 5, "colors": []}',
        '{"names": ["a"], "colors": [5]}',
        '{"names": [null], "colors": [[1, 2, 3]]}',
        '{"names": ["a"], "colors": [[1, 2]]}',
        '{"names": ["a"], "colors": [[1, 2, 300]]}',
        '{"names": ["a"], "colors": [["a", "b", "c"]]}',
        '{"names": ["a"], "colors": [[1, 2, 3]], "task": ["instance"]}',
        '{"names": ["a"], "colors": [[1, 2, 3]], "outputs": [1, 2]}',
        '{"names": ["a"], "colors": [[1, 2, 3]], "decoder": null}',
        '{"names": ["a"], "colors": [[1, 2, 3]], "minimum": "16"}',
        '{"names": ["a"], "colors": [[1, 2, 3]], "white": "255"}',
        "[" * 100_000,
    ],
)
def test_damaged_json_is_an_error(tmp_path, text):
    path = flatbuffer(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("kseg.json", text)
    with pytest.raises(InputError, match="model.tflite: .*kseg.json") as error:
        read_info(path)
    assert "\n" not in str(error.value)


def test_a_damaged_archive_is_an_error(tmp_path):
    path = flatbuffer(tmp_path)
    INFO.attach(path)
    damaged = path.read_bytes().replace(
        b'"road"', b'"toad"', 1
    )  # does not match its CRC
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="model.tflite: "):
        read_info(path)


def test_fields_of_later_versions_are_ignored(tmp_path):
    path = flatbuffer(tmp_path)
    text = '{"names": ["a"], "colors": [[0, 0, 0]], "mood": "good"}'
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("kseg.json", text)
    assert read_info(path) == ModelInfo(class_names=("a",), colors=((0, 0, 0),))


def test_a_file_of_an_earlier_version_has_no_valid_border(tmp_path):
    path = flatbuffer(tmp_path)
    later = ("least", "step", "border")
    fields = {k: v for k, v in json.loads(INFO.to_json()).items() if k not in later}
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("kseg.json", json.dumps(fields))
    assert read_info(path) == replace(INFO, geometry=InputGeometry(minimum=32))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((388, 388), (572, 572)),  # as in the U-Net paper
        ((4, 4), (188, 188)),
        ((1, 1), (188, 188)),
        ((5, 20), (204, 204)),
        ((21, 360), (220, 556)),
    ],
)
def test_the_smallest_input_of_valid_convolutions(size, expected):
    assert INFO.geometry.smallest_input(size) == expected


@pytest.mark.parametrize("size", [(1, 1), (33, 50), (1024, 7)])
def test_the_smallest_input_of_other_networks_is_the_image(size):
    assert ModelInfo(class_names=(), colors=()).geometry.smallest_input(size) == size


# The table of Pascal VOC's development kit (VOClabelcolormap).
VOC = {
    0: (0, 0, 0),  # background
    1: (128, 0, 0),  # aeroplane
    2: (0, 128, 0),  # bicycle
    3: (128, 128, 0),  # bird
    4: (0, 0, 128),  # boat
    7: (128, 128, 128),  # car
    8: (64, 0, 0),  # cat
    15: (192, 128, 128),  # person
    20: (0, 64, 128),  # tv monitor
    255: (224, 224, 192),  # void
}


@pytest.mark.parametrize("index", VOC)
def test_the_palette_is_that_of_pascal_voc(index):
    assert palette(256)[index] == VOC[index]


def test_the_palette_has_no_colour_twice():
    assert len(set(palette(256))) == 256


def test_an_unknown_model_has_a_name_and_a_colour_for_each_id():
    info = unknown_model()
    assert len(info.class_names) == len(info.colors) == 256
    assert (info.class_names[3], info.colors[3]) == ("class 3", (128, 128, 0))
    assert info.resize == "stretch"

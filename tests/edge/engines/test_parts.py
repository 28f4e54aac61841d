"""Networks in several files: two files by hand, opened, run, and incomplete."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.engines.parts import TFLitePart, files_of
from edge.engines.select import open_engine
from edge.model_file.info import ModelInfo
from tests.support.tflite import largest_channel, operator, tensor, tflite

SIZE = (4, 6)
FIRST = {"kind": "region_files", "parts": {"heads": "a.heads.tflite"}, "export": "7"}
HEADS = {"part": "heads", "part_of": "a.tflite", "export": "7", "inputs": ["boxes"]}
RELU = tflite(
    {"boxes": tensor(shape=(1, 3, 4)), "positive": tensor(shape=(1, 3, 4))},
    [operator("RELU", ["boxes"], "positive")],
)


def write(path: Path, content: bytes, decoder: dict, output: str) -> Path:
    path.write_bytes(content)
    info = ModelInfo(("disc",), ((0, 0, 1),), outputs=(output,), decoder=decoder)
    info.attach(path)
    return path


def network(folder: Path, first=FIRST, heads=HEADS, content=RELU) -> Path:
    write(folder / "a.heads.tflite", content, heads, "positive")
    return write(folder / "a.tflite", largest_channel(SIZE), first, "labels")


def test_the_parts_are_opened_with_the_options_of_the_first(tmp_path):
    path = network(tmp_path)
    engine = open_engine(path, "litert", threads=1)
    heads = engine.parts["heads"]
    assert isinstance(heads, TFLitePart) and heads.threads == engine.threads == 1
    assert heads.first_millis > 0
    boxes = np.float32([[-1, 2, -3, 4]] * 3)
    assert heads({"boxes": boxes})["positive"].tolist() == [[0, 2, 0, 4]] * 3
    (labels,) = engine(np.zeros((*SIZE, 3), np.uint8))
    assert labels.raw.shape == SIZE
    assert [each.name for each in files_of(path)] == ["a.tflite", "a.heads.tflite"]


def test_a_file_alone_has_no_parts(tmp_path):
    path = write(tmp_path / "b.tflite", largest_channel(SIZE), {}, "labels")
    assert open_engine(path, trial=False).parts == {}
    assert files_of(path) == (path,)


def test_files_may_be_in_another_folder(tmp_path):
    (tmp_path / "board").mkdir()
    network(tmp_path)
    for name in ("a.tflite", "a.heads.tflite"):
        shutil.copy(tmp_path / name, tmp_path / "board")
    assert open_engine(tmp_path / "board" / "a.tflite", trial=False).parts


def test_a_part_without_the_image_is_not_opened_alone(tmp_path):
    network(tmp_path)
    with pytest.raises(InputError) as caught:
        open_engine(tmp_path / "a.heads.tflite")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.heads.tflite'}: is the part heads of")
    assert message.endswith("give a.tflite instead")


def test_a_missing_part_is_one_line_with_the_remedy(tmp_path):
    path = network(tmp_path)
    (tmp_path / "a.heads.tflite").unlink()
    with pytest.raises(InputError) as caught:
        open_engine(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: needs a.heads.tflite beside it")
    assert "export again" in message and "\n" not in message


@pytest.mark.parametrize(
    ("first", "heads", "message"),
    [
        (FIRST, {**HEADS, "export": "8"}, "copy all files of one export"),
        (FIRST, {**HEADS, "part": "masks"}, "is not the part heads of a.tflite"),
        (FIRST, {**HEADS, "inputs": []}, "does not name its 1 inputs"),
        ({**FIRST, "parts": {"heads": "../a.tflite"}}, HEADS, "names of files beside"),
        ({**FIRST, "parts": ["heads"]}, HEADS, "names of files beside"),
        ({**FIRST, "parts": {"heads": 3}}, HEADS, "names of files beside"),
    ],
    ids=["export", "role", "inputs", "other folder", "list", "number"],
)
def test_parts_that_do_not_fit_are_refused(first, heads, message, tmp_path):
    with pytest.raises(InputError, match=message):
        open_engine(network(tmp_path, first, heads), trial=False)


def test_tensors_of_another_size_are_refused(tmp_path):
    heads = open_engine(network(tmp_path), trial=False).parts["heads"]
    with pytest.raises(InputError, match=r"boxes is \[1, 3, 4\], .* \[1, 2, 4\]"):
        heads({"boxes": np.zeros((2, 4), np.float32)})


def test_a_damaged_part_is_named(tmp_path):
    path = network(tmp_path, content=RELU[:100])
    with pytest.raises(InputError, match=r"a\.heads\.tflite: "):
        open_engine(path)

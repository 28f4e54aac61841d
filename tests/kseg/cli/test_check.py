import json

import pytest

from edge.core.errors import InputError
from kseg.cli.check import main
from kseg.cli.export import main as export
from tests.support.tflite import largest_channel, operator, tensor, tflite


def test_a_file_and_its_json(exported, capsys):
    path = str(exported / "int8.tflite")
    main([path, "--json", "-"])
    found = json.loads(capsys.readouterr().out)
    assert [*found] == [path]
    assert all(issue["severity"] != "error" for issue in found[path])


def test_the_old_option_does_the_same(exported, capsys):
    path = str(exported / "int8.tflite")
    main([path])
    text = capsys.readouterr().out
    export(["--check", path])
    assert capsys.readouterr().out == text


def test_tensors_and_classes_of_a_file_of_others(tmp_path, capsys):
    path = tmp_path / "net.tflite"
    path.write_bytes(largest_channel((8, 8)))
    main([str(path), "--classes", "red,green,blue", "--output", str(tmp_path / "out")])
    text = capsys.readouterr().out
    assert "input     image   uint8   1x8x8x3" in text
    assert text.endswith("task semantic, classes: red, green, blue\n")
    assert (tmp_path / "out" / "net.tflite.png").is_file()
    assert (tmp_path / "net.json").is_file()


def test_a_file_that_cannot_be_understood_is_still_checked(tmp_path, capsys):
    wide = {"image": tensor(shape=(1, 8)), "out": tensor(shape=(1, 8))}
    path = tmp_path / "net.tflite"
    path.write_bytes(tflite(wide, [operator("RELU", ["image"], "out")]))
    main([str(path)])
    out, said = capsys.readouterr()
    assert "net.tflite" in out and "no labelled picture" in said
    with pytest.raises(InputError, match=r"its input is \[1, 8\]; an image model"):
        main([str(path), "--order", "BGR"])


def test_a_folder_for_the_picture_that_cannot_be_made_is_refused(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(largest_channel((8, 8)))
    with pytest.raises(InputError, match="out: cannot be created .*a directory"):
        main([str(path), "--output", str(path / "out")])


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        main([str(tmp_path)])

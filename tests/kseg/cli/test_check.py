import json

import pytest

from edge.core.errors import InputError
from kseg.cli.check import main
from kseg.cli.export import main as export


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


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        main([str(tmp_path)])

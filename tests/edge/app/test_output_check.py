"""Outputs that would replace what the same run reads or writes."""

import pytest

from edge.app.camera_options import parse
from edge.core.errors import InputError


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in.mp4", "zones.json", "m.tflite"):
        (tmp_path / name).write_bytes(b"content")
    (tmp_path / "link.mp4").symlink_to("in.mp4")
    (tmp_path / "photos").mkdir()
    return tmp_path


def refusal(*options):
    with pytest.raises(InputError) as error:
        parse(["m.tflite", *options], "live", "")
    return str(error.value)


@pytest.mark.parametrize("output", ["in.mp4", "./in.mp4", "link.mp4"])
@pytest.mark.parametrize("option", ["--record", "--stats", "--frames-json", "--events"])
def test_an_output_cannot_be_the_source(files, option, output):
    for source in ("in.mp4", f"file://{files}/in.mp4"):
        text = refusal("--source", source, option, output)
        assert "is --source too, and would be replaced; give another name" in text
        assert text.startswith(f"{option} ")


def test_an_output_cannot_be_another_input_or_output(files):
    assert "is --zones too" in refusal("--zones", "zones.json", "--stats", "zones.json")
    assert "is the model too" in refusal("--stats", "m.tflite")
    twice = refusal("--stats", "a.json", "--frames-json", "./a.json")
    assert twice == "--frames-json a.json: --stats writes to it too"
    assert "is the folder of --source" in refusal(
        "--source", "photos", "--masks", "photos"
    )


def test_other_names_and_devices_are_accepted(files):
    options = ["--source", "in.mp4", "--record", "out.mp4", "--masks", "photos"]
    options += ["--stats", "/dev/null", "--frames-json", "/dev/null"]
    assert parse(["m.tflite", *options], "live", "").record.name == "out.mp4"

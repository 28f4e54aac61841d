"""The source of the camera loop."""

import pytest

from edge.app.camera_options import parse
from edge.app.given_source import given_source
from edge.core.errors import InputError

URL = "rtsp://me:8810@camera/s"


def test_the_option_comes_before_the_variable(monkeypatch):
    monkeypatch.delenv("KSEG_SOURCE", raising=False)
    assert given_source(None, None) == "0"
    monkeypatch.setenv("KSEG_SOURCE", URL)
    assert given_source(None, None) == URL
    assert given_source("1", None) == "1"


def test_a_file_has_the_source_in_one_line(tmp_path):
    file = tmp_path / "camera.txt"
    file.write_text(f"\ufeff{URL}  \n\n", encoding="utf-8")
    arguments = parse(["a.tflite", "--source-file", str(file)], "kseg live", None)
    assert arguments.source == URL


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has 0 lines"),
        (b"a\nb\n", "has 2 lines"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_source_is_named(tmp_path, content, reason):
    file = tmp_path / "camera.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=rf"camera\.txt: {reason}"):
        given_source(None, file)


def test_both_options_are_an_error(tmp_path):
    with pytest.raises(InputError, match="give one of them"):
        given_source("0", tmp_path)

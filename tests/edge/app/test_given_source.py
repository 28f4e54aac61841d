"""The source of the camera loop."""

import pytest

from edge.app.camera_options import parse
from edge.app.given_source import GivenSource, given_sources, parsed
from edge.core.errors import InputError

URL = "rtsp://me:8810@camera/s"


def test_the_option_comes_before_the_variable(monkeypatch):
    monkeypatch.delenv("KSEG_SOURCE", raising=False)
    assert given_sources(None, None) == [("", "0")]
    monkeypatch.setenv("KSEG_SOURCE", URL)
    assert given_sources(None, None) == [("", URL)]
    assert given_sources(["1"], None) == [("", "1")]


def test_a_file_has_the_source_in_one_line(tmp_path):
    file = tmp_path / "camera.txt"
    file.write_text(f"\ufeff{URL}  \n\n", encoding="utf-8")
    arguments = parse(["a.tflite", "--source-file", str(file)], "kseg live", None)
    assert arguments.sources == [("", URL)]


def test_a_file_has_a_source_in_each_line(tmp_path):
    file = tmp_path / "cameras.txt"
    file.write_text(f"door={URL}\n\n0\n", encoding="utf-8")
    assert given_sources(None, file) == [("door", URL), ("2", "0")]


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://camera/live?channel=1",
        "videotestsrc pattern=ball ! videoconvert ! appsink",
        "v4l2src device=/dev/video0 ! appsink",
        "/videos/a=b.mp4",
        "./a=b.mp4",
        "-a=b",
        "a b=c",
        f"{'a' * 33}=b",
        "=b",
        "a=",
    ],
)
def test_what_is_an_address_has_no_name(address):
    assert parsed(address) == GivenSource("", address)


def test_a_name_before_an_address(tmp_path, monkeypatch):
    assert parsed("door=rtsp://c/?a=b") == ("door", "rtsp://c/?a=b")
    assert parsed("Yard-2=shapes") == ("Yard-2", "shapes")
    pipeline = "videotestsrc pattern=ball ! appsink"
    assert parsed(f"test={pipeline}") == ("test", pipeline)
    assert given_sources(["door=0"], None) == [("door", "0")]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.mp4").touch()
    assert parsed("a=b.mp4") == ("", "a=b.mp4")  # it is there


def test_names_differ():
    assert given_sources(["0", "yard=1", "0"], None) == [
        *(("1", "0"), ("yard", "1"), ("3", "0"))
    ]
    with pytest.raises(InputError, match="source DOOR: two sources have this name"):
        given_sources(["door=0", "DOOR=1"], None)
    with pytest.raises(InputError, match="source my-key: .* another name"):
        given_sources(["my-key=0"], None)  # after which messages hide a word


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has 0 lines"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_source_is_named(tmp_path, content, reason):
    file = tmp_path / "camera.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=rf"camera\.txt: {reason}"):
        given_sources(None, file)


def test_both_options_are_an_error(tmp_path):
    with pytest.raises(InputError, match="give one of them"):
        given_sources(["0"], tmp_path)

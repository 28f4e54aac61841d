"""Parsing the addresses of streams."""

import pytest

from edge.core.errors import InputError
from edge.video.stream_address import here, no_such_file, parse_address


def test_the_parts_of_an_address():
    address = parse_address("RTSP://me:a%23b@camera:554/s?channel=1")
    assert (address.scheme, address.host, address.port) == ("rtsp", "camera", 554)
    assert (address.user, address.password) == ("me", "a#b")
    assert address.path == "/s?channel=1"
    assert address.shown == "rtsp://***@camera:554/s?channel=1"
    assert address.url == "rtsp://me:a%23b@camera:554/s?channel=1"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("a#b", "a%23b"),
        ("a/b?c", "a%2Fb%3Fc"),
        ("a[b]", "a%5Bb%5D"),
        ("a@b", "a%40b"),
        ("50%", "50%25"),
        ("a b", "a%20b"),
        ("ü", "%C3%BC"),
        ("a!$&'()*+,;=-._~", "a!$&'()*+,;=-._~"),
        ("a%2fb", "a%2fb"),
    ],
)
def test_ffmpeg_gets_a_password_with_codes(password, code):
    address = parse_address(f"rtsp://me:{password}@10.0.0.5/s")
    assert address.url == f"rtsp://me:{code}@10.0.0.5/s"
    assert address.password == ("a/b" if password == "a%2fb" else password)


@pytest.mark.parametrize(
    "source",
    ["udp://@239.0.0.1:1234", "udp://:1234", "tcp://:9?listen", "http://[::1]:80/a"],
)
def test_other_addresses_stay_as_they_are(source):
    assert parse_address(source).url == source


def test_mms_is_what_ffmpeg_calls_mmsh():
    assert parse_address("mms://camera/s").url == "mmsh://camera/s"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("rtsp://", "no host"),
        ("rtsp:///stream", "no host"),
        ("rtsp://me:8810@/s", "no host"),
        ("http://:8080/s", "no host"),
        ("udp://", "no host"),
        ("rtsp:/camera/s", "two slashes"),
        ("rtsp://camera:abc/s", "the port is not a number"),
        ("rtsp://camera:0/s", "the port is not a number"),
        ("rtsp://camera:70000/s", "the port is not a number"),
        ("rtsp://me:Sesam8810/s", "the port is not a number"),
        ("rtsp://[::1/s", "bracket"),
        ("rtsp://[cam]/s", "not an IPv6 address"),
        ("rtsp://fe80::1/s", "more than one colon"),
        ("rtsp://ca mera/s", "characters that no host has"),
        ("ftp://me:8810@camera/a.mp4", "ftp:// is not read here; the schemes are rtsp"),
        ("rtspt://me:8810@camera/s", "write rtsp://"),
        ("webrtc://camera/s", "webrtc:// is not read here"),
    ],
)
def test_a_malformed_address_is_refused_by_what_is_malformed(source, reason):
    with pytest.raises(InputError, match=reason) as error:
        parse_address(source)
    assert "8810" not in str(error.value)


def test_spellings_of_other_programs():
    assert here("csi://") == "csi"
    assert here("CSI://0") == "csi:0"
    assert here("v4l2:///dev/video0") == "/dev/video0"
    assert here("v4l2://1") == "1"
    assert here("libcamera://0") == "picamera"
    assert here(" rtsp://camera/s\n") == "rtsp://camera/s"


def test_addresses_of_files(tmp_path, monkeypatch):
    path = tmp_path / "my clip 50%25.avi"
    path.touch()
    code = path.as_posix().replace("%", "%25").replace(" ", "%20")
    slash = "" if code.startswith("/") else "/"
    for text in ("file://", "FILE://", "file://localhost"):
        assert here(f"{text}{slash}{code}") == path.as_posix()
    assert here(f"file:{code}") == path.as_posix()
    assert here(f"file://{slash}{path.as_posix()}") == path.as_posix()  # without codes
    monkeypatch.chdir(tmp_path)
    assert here("file://my%20clip%2050%2525.avi") == path.name
    with pytest.raises(InputError, match="another machine"):
        here("file://server/share/a.avi")
    with pytest.raises(InputError, match="no path"):
        here("file://")


def test_a_file_whose_name_is_like_an_address_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "csi:0").touch()
    assert here("csi:0") == "csi:0"


def test_an_empty_source_and_control_characters_are_refused():
    for source, reason in (
        (" ", "empty"),
        ("a\x07.mp4", "control"),
        ("a\0", "control"),
    ):
        with pytest.raises(InputError, match=reason):
            here(source)


@pytest.mark.parametrize(
    "source",
    ["me:8810@camera/s", "10.0.0.5:554/s", "rtsp//camera/s", "rtsp:me:8810@camera"],
)
def test_an_address_without_its_scheme_is_no_missing_file(source):
    assert "an address begins with its scheme" in no_such_file(source)
    assert "8810" not in no_such_file(source)


def test_a_name_that_cannot_be_one_is_explained():
    for address in ("0", "rtsp://me:8810@camera/s"):
        message = no_such_file(f"front door={address}")
        assert "a name before = has at most 32" in message and "8810" not in message
    assert "name" not in no_such_file("door.mp4")

"""What is shown of an address."""

import pytest

from edge.core.addresses import is_address, may_be_key, redact_address, split_address

SHOWN = [
    # Passwords with characters that end a host, a path or a query.
    ("rtsp://admin:Sesam#8810@10.0.0.5:554/s", "rtsp://***@10.0.0.5:554/s"),
    ("rtsp://admin:Sesam/8810@10.0.0.5/s", "rtsp://***@10.0.0.5/s"),
    ("rtsp://admin:12/8810@10.0.0.5/s", "rtsp://***@10.0.0.5/s"),
    ("rtsp://admin:Sesam?8810@camera/s", "rtsp://***@camera/s"),
    ("rtsp://admin:Ses[am8810@camera/s", "rtsp://***@camera/s"),
    ("rtsp://admin:Ses@m8810@camera/s", "rtsp://***@camera/s"),
    ("rtsp://admin:Ses%40m8810@camera/s", "rtsp://***@camera/s"),
    ("rtsp://admin:Sesam%8810@camera/s", "rtsp://***@camera/s"),
    ("rtsp://admin:Sesam 8810@camera/s", "rtsp://***@camera/s"),
    # A user name alone may be a token.
    ("rtsp://8810@camera/s", "rtsp://***@camera/s"),
    ("RTSP://admin:Sesam8810@camera/s", "rtsp://***@camera/s"),
    ("https://admin:8810@[fe80::1]:80/s", "https://***@[fe80::1]:80/s"),
    # In the query: only known options are shown.
    ("http://h/v?user=bob&pwd=8810", "http://h/v?user=***&pwd=***"),
    ("http://h/v?PassWord=8810&fps=5", "http://h/v?PassWord=***&fps=5"),
    ("http://h/v?unknown=8810", "http://h/v?unknown=***"),
    ("http://h/v?8810", "http://h/v?***"),
    ("rtsp://h/live/admin/S3cretPw", "rtsp://h/live/***/***"),
    ("rtsp://h/admin_S3cretPw_stream", "rtsp://h/***"),
    ("http://h/v?channel=S3cretPw", "http://h/v?channel=***"),
    ("http://h/v?password=Sesam&8810", "http://h/v?password=***&***"),
    ("http://h/v#token=8810", "http://h/v#***"),
    ("srt://h:9?streamid=8810&mode=caller", "srt://h:9?streamid=***&mode=caller"),
    # In the path.
    (
        "rtsp://h/user=a&password=8810&channel=1",
        "rtsp://h/user=***&password=***&channel=1",
    ),
    ("rtsp://h/user=a_password=8810_stream=0", "rtsp://h/user=***"),
    ("rtsp://h/user%3Da%26password%3D8810", "rtsp://h/***"),
    ("http://h/token/8810/a.m3u8", "http://h/token/***/a.m3u8"),
    ("http://h/live/bob/8810/12.ts", "http://h/live/***/***/12.ts"),
    ("rtmp://a.example/live/ab-8810", "rtmp://a.example/live/***"),
    ("rtsps://h:7441/aB3xYz90LmQ48810?enableSrtp", "rtsps://h:7441/***?enableSrtp"),
    # What cannot be told apart is not shown.
    ("rtsp://admin:Sesam8810", "rtsp://***"),
    ("rtsp://admin:Sesam8810/s", "rtsp://***"),
    ("rtsp:/admin:Sesam8810@camera", "rtsp:/***@camera"),
]
HARMLESS = [
    "rtsp://10.0.0.5/Streaming/Channels/101",
    "rtsp://camera/cam/realmonitor?channel=1&subtype=0",
    "rtsp://camera/h264Preview_01_main",
    "http://camera.example:8080/axis-media/media.amp?resolution=640x480",
    "http://[::1]:80/garage.mp4",
    "udp://@239.0.0.1:1234",
    "srt://:9000?mode=listener",
]


@pytest.mark.parametrize(("address", "shown"), SHOWN)
def test_a_secret_is_not_shown(address, shown):
    assert redact_address(address) == shown
    assert redact_address(shown) == shown
    assert "8810" not in shown


@pytest.mark.parametrize("address", HARMLESS)
def test_an_address_without_secrets_is_shown_as_it_is(address):
    assert redact_address(address) == address


@pytest.mark.parametrize(
    ("address", "login", "rest"),
    [
        ("http://camera/s", None, "camera/s"),
        ("http://camera.local/s?mail=me@example.com", None, None),
        ("http://camera/s?mail=me@example.com", None, None),
        ("http://10.0.0.5:80/@me/s", None, None),
        ("http://a:b@10.0.0.5/@me/s", "a:b", "10.0.0.5/@me/s"),
        ("http://a:b/c@d@10.0.0.5/s", "a:b/c@d", "10.0.0.5/s"),
    ],
)
def test_an_at_sign_in_the_path_is_no_password(address, login, rest):
    expected = rest or address.partition("://")[2]
    assert split_address(address) == ("http", login, expected)


def test_a_text_without_a_scheme_is_no_address():
    texts = ("a.mp4", "C:/a.mp4", "C:\\a.mp4", "/dev/video0", "a ! b", "csi:0", "")
    assert not any(map(is_address, texts))
    with pytest.raises(ValueError, match="no address"):
        split_address("a.mp4")


def test_names_of_files_and_streams_are_no_keys():
    names = ("mediaprofile1", "GX010234.mp4", "clip_2026-11-26_14-22.mp4", "trackID")
    assert not any(map(may_be_key, names))
    keys = ("0f3a9c77b2e1", "AbCdEfGhIjKl", "ab12-cd34-ef56-gh78", "a" * 33)
    assert all(map(may_be_key, keys))

"""Text without secrets."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.core.errors import InputError, shortened
from edge.core.redaction import Secrets, redact

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "m: no video at 'rtsp://a:8810@h/s': 401",
            "m: no video at 'rtsp://***@h/s': 401",
        ),
        ("source http://h/a?pwd=8810: closed", "source http://h/a?pwd=***: closed"),
        ("admin:8810@10.0.0.5/s: no file", "***@10.0.0.5/s: no file"),
        ("10.0.0.5/s?Token=8810", "10.0.0.5/s?Token=***"),
        (
            "rtspsrc user-id=a user-pw='88 10' ! x",
            "rtspsrc user-id=*** user-pw=*** ! x",
        ),
        ("srtsrc passphrase=8810", "srtsrc passphrase=***"),
        ('{"password": "8810"}', '{"password": ***}'),
        ("Authorization: Basic ODgxMA==", "Authorization: Basic ***"),
        ("X-Api-Key: 8810\nHost: h", "X-Api-Key: ***\nHost: h"),
        ("not valid YAML (mqtt_password: 8810)", "not valid YAML (mqtt_password: ***)"),
        ("[broker]\npassword = 8810", "[broker]\npassword = ***"),
        ("kennwort=8810", "kennwort=***"),
        (
            "unrecognized arguments: --password 8810",
            "unrecognized arguments: --password ***",
        ),
    ],
)
def test_secrets_are_found_in_any_text(text, shown):
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "--token: use at least 8 characters of A-Z, a-z, 0-9, - and _",
        "password: must be text, and token: a number is given",
        "see https://github.com/opencv/opencv/issues/21653).",
        "write rtsp://USER:PASSWORD@HOST/...",
        "write HOST, HOST:PORT or mqtts://USER@HOST/PREFIX",
        "a password needs a user name; write mqtt://USER@HOST",
        "source file:///home/me/videos/solidWhiteRight.mp4",
        "mqtt://127.0.0.1:1883/home/front",
        "C:\\photos\\me@home.png: no such file",
        "data:/photos/a.png, 14:22:07, epochs = 40, monkey",
        "",
    ],
)
def test_other_texts_stay_as_they_are(text):
    assert redact(text) == text


def test_a_header_in_a_pipeline_has_escaped_quotes():
    text = 'x extra-headers="h,Authorization=(string)\\"Bearer Sesam\\"" ! y'
    assert "Sesam" not in redact(text)


def test_a_header_in_a_pipeline_has_an_escaped_space():
    text = 'x extra-headers="h,Authorization=Basic\\ U2VzYW0=" ! y'
    assert "U2VzYW0" not in redact(text)
    secrets = Secrets()
    secrets.add(text)
    assert secrets.replace("refused: U2VzYW0=") == "refused: ***"


def test_an_unusual_part_of_a_web_camera_s_path_is_remembered():
    secrets = Secrets()
    secrets.add("http://cam/S3cretPw/video.mjpg")
    assert secrets.replace("failed: S3cretPw") == "failed: ***"


def test_remembered_secrets_are_found_in_each_spelling():
    secrets = Secrets()
    secrets.add("--source=http://me:S%23sam88@h/a?sign=Kiefer%2F4417&fps=5")
    for text in ("S%23sam88", "S#sam88", "Kiefer/4417", "Kiefer%2F4417"):
        assert secrets.replace(f"sent {text}, 5 bytes") == "sent ***, 5 bytes"
    # base64 of me:S#sam88, as a server is sent it
    assert secrets.replace("Basic bWU6UyNzYW04OA==") == "Basic ***=="
    assert secrets.replace("me at h: fps=5") == "me at h: fps=5"


def test_a_short_secret_is_hidden_as_a_word():
    secrets = Secrets()
    secrets.add("rtsp://me:pass@h/s")
    assert secrets.replace("pass passed, is pass.") == "*** passed, is ***."


def test_a_password_with_spaces_and_quotes_is_hidden():
    secrets = Secrets()
    source = "rtsp://me:a 'b\" c@h/s"
    secrets.add(source)
    assert (
        secrets.replace(f"source {source}: closed") == "source rtsp://***@h/s: closed"
    )


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("me:it's 88#10@10.0.0.5/s", "***@10.0.0.5/s"),
        ('x location="rtsp://me:88 10@h/s" ! y', 'x location="rtsp://***@h/s" ! y'),
    ],
)
def test_sources_without_a_scheme_and_pipelines_are_remembered(source, shown):
    secrets = Secrets()
    secrets.add(source)
    assert secrets.replace(f"source {source}: closed") == f"source {shown}: closed"


def test_an_error_has_no_secret_even_if_it_is_cut():
    assert str(InputError("a: rtsp://me:8810@h")) == "a: rtsp://***@h"
    cut = shortened(f"http://h/{'x/' * 40}?pwd=8810&{'y' * 80}")
    assert "8810" not in cut
    assert "rtsp://***" in shortened("rtsp://me:8810@h/s", longest=12)


CODE = """
import sys, threading
from edge.core.redaction import hide_in_tracebacks, remember
hide_in_tracebacks()
remember(sys.argv[1])
def fail():
    raise RuntimeError("cannot open " + sys.argv[1] + " with Sesam#8810")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_tracebacks_have_no_secrets():
    command = [sys.executable, "-c", CODE, "rtsp://me:Sesam%238810@h/s"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    line = "RuntimeError: cannot open rtsp://***@h/s with ***"
    assert done.stderr.splitlines().count(line) == 2  # the thread, and the program
    assert "8810" not in done.stderr


@pytest.mark.parametrize(
    ("address", "text", "shown"),
    [
        # A user name of a broker stands in its topics, and the path begins them.
        ("mqtt://camera@h/home/road", "topics home/road/#, camera", None),
        ("mqtt://h:1/home/y", "'home/+/y' cannot; such as home/door", None),
        ("mqtt://aB3xYz90LmQ4@h/a", "user aB3xYz90LmQ4", "user ***"),
        ("mqtt://me:pw8810@h/a", "as me with pw8810", "as me with ***"),
        ("file:///videos/solidWhite.mp4", "topics kseg/vm-solidWhite.mp4/#", None),
        ("file://me:pw8810@h/a", "with pw8810", "with ***"),
    ],
)
def test_parts_of_addresses_in_other_texts(address, text, shown):
    secrets = Secrets()
    secrets.add(address)
    assert secrets.replace(text) == (shown or text)


@pytest.mark.parametrize("address", ["mqtt://camera@h/home/road", "file://h/a@b:c@d"])
def test_the_login_itself_is_hidden(address):
    assert "camera@" not in redact(f"at {address}") and "c@" not in redact(address)

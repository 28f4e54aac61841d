"""A warning of files with passwords that others can read."""

from pathlib import Path

import pytest

from edge.app.camera_options import parse
from edge.app.event_options import check_webhook
from edge.app.given_source import given_sources
from edge.app.secret_files import warn_of_readers
from tests.support.posix import needs_linux

pytestmark = needs_linux  # Windows has no bits of rights


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o644, True), (0o604, True), (0o640, False), (0o600, False)]
)
def test_a_file_that_all_can_read_is_one_line(
    tmp_path, monkeypatch, capsys, mode, warned
):
    monkeypatch.chdir(tmp_path)  # long paths are shortened
    file = Path("my password")
    file.write_text("SECRET-8810\n", encoding="utf-8")
    file.chmod(mode)
    warn_of_readers(file, "--mqtt-password-file")
    line = (
        f"--mqtt-password-file {file}: other users of this machine can read it; "
        f"chmod 600 '{file}'\n"
    )
    assert capsys.readouterr().err == (line if warned else "")


def test_the_other_files_with_secrets_have_it_too(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a long path would be shortened
    file = Path("secret")
    file.write_text("Authorization: Bearer 8810-8810\n", encoding="utf-8")
    file.chmod(0o644)
    given = ["a.tflite", "--webhook", "http://pi/", "--webhook-header", str(file)]
    check_webhook(parse(given, "kseg live", None))
    said = capsys.readouterr().err
    assert said.startswith("--webhook-header secret: other users")
    assert "8810" not in said


def test_of_a_source_only_an_address_with_a_secret(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path("camera")
    file.write_text("rtsp://camera/street\n", encoding="utf-8")
    file.chmod(0o644)
    given_sources(None, file)
    assert capsys.readouterr().err == ""
    file.write_text("rtsp://me:8810@camera/street\n", encoding="utf-8")
    given_sources(None, file)
    assert capsys.readouterr().err.startswith("--source-file camera: other users")

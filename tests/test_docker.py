"""The Dockerfiles name files and options that are there. No image is built here."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from edge.app.camera_options import parse

ROOT = Path(__file__).resolve().parents[1]
LIVE = ROOT / "Dockerfile"
TRAIN = ROOT / "docker" / "train.Dockerfile"


def instructions(path: Path) -> list[tuple[str, str]]:
    """(name, rest) of each instruction, continued lines joined."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest) for name, _, rest in (x.partition(" ") for x in lines) if name]


def is_sent(name: str) -> bool:
    """Whether .dockerignore lets a file or folder at the top into the build."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [line[1:] for line in lines if line.startswith("!")]
    return any(fnmatch(name.partition("/")[0], pattern) for pattern in allowed)


@pytest.mark.parametrize("path", [LIVE, TRAIN], ids=lambda path: path.name)
def test_what_is_copied_is_there(path):
    copied = [rest.split() for name, rest in instructions(path) if name == "COPY"]
    sources = [
        source for words in copied if "--from" not in words[0] for source in words[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists() and is_sent(source), source


@pytest.mark.parametrize("path", [LIVE, TRAIN], ids=lambda path: path.name)
def test_the_user_is_not_root(path):
    names = [rest for name, rest in instructions(path) if name == "USER"]
    assert names == ["10001"]


def test_the_camera_loop_takes_its_options():
    given = dict(instructions(LIVE))
    python, script, *options = json.loads(given["ENTRYPOINT"])
    assert (python, (ROOT / script).is_file()) == ("python", True)
    arguments = parse([*options, *json.loads(given["CMD"])], script, None)
    assert (arguments.headless, arguments.serve) == (True, "0.0.0.0:8080")
    assert given["EXPOSE"] == "8080"


def test_the_requirements_have_opencv_without_windows_and_extras():
    """The expressions that sed is given, on the file that it is given."""
    (step,) = [rest for name, rest in instructions(LIVE) if "sed" in rest]
    expressions = re.findall(r"-e 's/(.*?)/(.*?)/'", step)
    text = (ROOT / "edge" / "requirements.txt").read_text(encoding="utf-8")
    for pattern, replacement in expressions:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    names = set(re.findall(r"^[a-z-]+", text, re.MULTILINE))
    needed = {"ai-edge-litert", "numpy", "opencv-python-headless"}
    assert names == {*needed, "tornado", "lark", "paho-mqtt"}

import json
import math
from pathlib import Path

import pytest

from edge.core.files import json_text, write_json


def refuse(name):
    raise ValueError(f"{name} is no JSON")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_become_null(value):
    content = {"scores": [0.5, value], "box": (value, 1), "name": "a", "none": None}
    text = json_text(content)
    assert json.loads(text, parse_constant=refuse) == {
        "scores": [0.5, None],
        "box": [None, 1],
        "name": "a",
        "none": None,
    }


def test_finite_content_is_written_as_it_is(tmp_path):
    content = {"a": [1, 2.5, True], "é": "\udce9"}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text == json.dumps(content, indent=1) + "\n"


ROOT = Path(__file__).resolve().parents[3]
# What the same program compares or reads, and a checkpoint, which refuses nan.
OTHERS = {
    "edge/core/files.py",
    "kseg/core/configs.py",
    "kseg/data/objects_file.py",
    "kseg/training/checkpoint.py",
}


def test_json_is_made_in_one_place():
    files = [path for name in ("edge", "kseg") for path in (ROOT / name).rglob("*.py")]
    writers = [
        path for path in files if "json.dump" in path.read_text(encoding="utf-8")
    ]
    assert {path.relative_to(ROOT).as_posix() for path in writers} == OTHERS

import json
import math

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

"""Values in messages are cut to a readable length, wherever a file holds them."""

import json
import zipfile
from pathlib import Path

import pytest

from edge.core.errors import LONGEST, InputError, quoted, shortened
from edge.model_file.metadata import read_info

HUGE = "x" * 10_000


def test_short_values_are_unchanged():
    assert shortened(7) == "7" and quoted("a b") == "'a b'"
    assert shortened("x" * LONGEST) == "x" * LONGEST


def test_a_long_value_is_cut_and_its_length_is_given():
    assert shortened(HUGE) == "x" * 80 + "… (10,000 characters)"
    assert quoted(HUGE, 3) == "'xx… (10,002 characters)"  # with quotation marks
    assert "\n" not in quoted("a\n" * 100)


@pytest.mark.parametrize(
    "changes",
    [{"task": [HUGE]}, {"names": [HUGE, 7], "colors": [[0] * 3] * 2}, {"colors": HUGE}],
)
def test_a_damaged_description_of_a_model_is_quoted_in_brief(tmp_path: Path, changes):
    path = tmp_path / "model.tflite"
    with zipfile.ZipFile(path, "w") as archive:
        content = {"names": ["a"], "colors": [[0, 0, 1]], **changes}
        archive.writestr("kseg.json", json.dumps(content))
    with pytest.raises(InputError, match="its kseg.json is damaged") as caught:
        read_info(path)
    assert len(str(caught.value)) < len(str(path)) + 300

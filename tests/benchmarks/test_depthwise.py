"""The depthwise convolutions of a network with JAX, in both forms."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.depthwise import FORMS, DepthwiseConfig, compare, table
from edge.core.errors import InputError

SMALL = ("--size", "32x32", "--batch-size", "1", "--rounds", "1")


def test_it_needs_jax():
    with pytest.raises(InputError, match="KERAS_BACKEND=jax before the command"):
        compare(DepthwiseConfig())


def test_the_table_says_how_many_times_as_fast():
    millis = dict(zip(FORMS, (30.0, 20.0), strict=True))
    text = table({"device": "cpu", "millis": millis, "ratio": 1.5})
    assert "on cpu" in text and "30.0" in text
    assert text.endswith("sum of shifted copies: 1.50 times as fast")


@pytest.mark.slow
def test_both_forms_are_timed():
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "kseg", "benchmark", "depthwise", *SMALL]
    ended = subprocess.run(
        [*command, "--json", "-"],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        check=True,
        capture_output=True,
        text=True,
    )
    figures = json.loads(ended.stdout)
    assert list(figures["millis"]) == list(FORMS)
    first, second = figures["millis"].values()
    assert figures["ratio"] == pytest.approx(first / second) and second > 0

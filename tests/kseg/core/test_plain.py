"""Facts as JSON and back."""

import json

import numpy as np
import pytest

from kseg.core.plain import DAMAGE, from_plain, to_plain


@pytest.mark.parametrize(
    "value",
    [
        {"a": (1, 2.5, None), "b": [b"\x00\xff", True]},
        {1: "one", (2, 3): ["x"]},  # keys that JSON lacks
        {},
    ],
)
def test_values_come_back(value):
    assert from_plain(json.loads(json.dumps(to_plain(value)))) == value


def test_arrays_come_back_with_their_type():
    value = np.arange(6, dtype=np.int16).reshape(2, 3)
    found = from_plain(json.loads(json.dumps(to_plain(value))))
    assert found.dtype == value.dtype and np.array_equal(found, value)


def test_what_it_did_not_write_is_damage():
    with pytest.raises(DAMAGE):
        from_plain(["record", "os", "stat_result", {}])
    with pytest.raises(TypeError):
        to_plain(object())

"""Facts as values that JSON can hold, and back: dataclasses, tuples, arrays, bytes."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from importlib import import_module
from typing import Any

import numpy as np

# The first item of a list that stands for something else than a list.
TUPLE, BYTES, ARRAY, RECORD = "tuple", "bytes", "array", "record"
PAIRS = "pairs"  # a dict whose keys are not all text
OWN = "kseg."  # records of other packages are not made
# What `from_plain` raises for content that it did not write.
DAMAGE = (ValueError, KeyError, TypeError, AttributeError, ImportError, zlib.error)


def to_plain(value: Any) -> Any:
    """A value as nested lists and dicts; raises TypeError for an unknown type.

    >>> from_plain(to_plain({"size": (2, 3), "digest": b"ab"}))
    {'size': (2, 3), 'digest': b'ab'}
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return [BYTES, base64.b64encode(value).decode()]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        packed = base64.b64encode(zlib.compress(array.tobytes(), 1)).decode()
        return [ARRAY, array.dtype.str, list(value.shape), packed]
    kind = type(value)
    if dataclasses.is_dataclass(value) or hasattr(value, "_fields"):
        names = getattr(value, "_fields", None) or [
            item.name for item in dataclasses.fields(value)
        ]
        content = {name: to_plain(getattr(value, name)) for name in names}
        return [RECORD, kind.__module__, kind.__qualname__, content]
    if isinstance(value, (list, tuple)):
        return [TUPLE if isinstance(value, tuple) else "list", *map(to_plain, value)]
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: to_plain(each) for key, each in value.items()}
        return [PAIRS, *([to_plain(key), to_plain(x)] for key, x in value.items())]
    raise TypeError(f"{kind.__name__} cannot be kept")


def from_plain(value: Any) -> Any:
    """The value of `to_plain`. Raises one of DAMAGE for anything else."""
    if isinstance(value, dict):
        return {key: from_plain(each) for key, each in value.items()}
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind == BYTES:
        return base64.b64decode(rest[0])
    if kind == ARRAY:
        dtype, shape, packed = rest
        content = zlib.decompress(base64.b64decode(packed))
        return np.frombuffer(bytearray(content), np.dtype(dtype)).reshape(shape)
    if kind == RECORD:
        module, name, content = rest
        record = (
            getattr(import_module(module), name) if module.startswith(OWN) else None
        )
        if not (dataclasses.is_dataclass(record) or hasattr(record, "_fields")):
            raise ValueError(f"{module}.{name} is not a record")
        return record(**{key: from_plain(each) for key, each in content.items()})
    if kind == PAIRS:
        return {from_plain(key): from_plain(each) for key, each in rest}
    found = [from_plain(each) for each in rest]
    return tuple(found) if kind == TUPLE else found

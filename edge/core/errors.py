"""Errors that commands report in one line: invalid input and failed conditions."""

from __future__ import annotations

from typing import Any


class InputError(Exception):
    """Invalid input or usage. The message names the file, the value and the remedy."""

    status = 2


class GateFailed(Exception):
    """A condition that the user required is not met.

    `result` is what was measured, for callers in Python; None if nothing was.
    """

    status = 3
    result: Any = None

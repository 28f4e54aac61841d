"""Errors that commands report in one line: invalid input and failed conditions."""

from __future__ import annotations


class InputError(Exception):
    """Invalid input or usage. The message names the file, the value and the remedy."""

    status = 2


class GateFailed(Exception):
    """A condition that the user required is not met."""

    status = 3

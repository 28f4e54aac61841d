"""Refusals: input that cannot work, and a condition that does not hold."""

from __future__ import annotations


class InputError(Exception):
    """Input or use that cannot work. The message names file, value and remedy."""

    status = 2


class GateFailed(Exception):
    """A condition that the user asked to hold does not hold."""

    status = 3

"""Errors that commands report in one line: invalid input and failed conditions."""

from __future__ import annotations

from typing import Any

LONGEST = 80  # characters of a value in a message


class InputError(Exception):
    """Invalid input or usage. The message names the file, the value and the remedy."""

    status = 2


class GateFailed(Exception):
    """A condition that the user required is not met.

    `result` is what was measured, for callers in Python; None if nothing was.
    """

    status = 3
    result: Any = None


def shortened(value: Any, longest: int = LONGEST) -> str:
    """A value as text for a message; a long one is cut, and its length is given.

    >>> shortened("disc"), shortened("0123456789", longest=4)
    ('disc', '0123… (10 characters)')
    """
    text = str(value)
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… ({len(text):,} characters)"


def quoted(value: Any, longest: int = LONGEST) -> str:
    """As `shortened`, with a text in quotation marks and control characters escaped.

    >>> quoted("a\\tb"), quoted(2.5)
    ("'a\\\\tb'", '2.5')
    """
    return shortened(repr(value), longest)

"""What was probably meant by a name that is not known."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Collection, Optional

LISTED = 24  # names in a message


def closest(name: str, known: Collection[str]) -> Optional[str]:
    """The known name that is most like `name`; None if none is.

    >>> closest("--batch_size", ["--batch-size", "--size"]), closest("x", ["seed"])
    ('--batch-size', None)
    """
    return next(iter(get_close_matches(name, list(known), 1)), None)


def suggestion(name: str, known: Collection[str]) -> str:
    """The end of a message on an unknown name: the one probably meant, else `known`.

    >>> suggestion("epoch", ["epochs", "seed"]), suggestion("x", ["epochs", "seed"])
    ('; did you mean epochs?', '; known are epochs, seed')
    """
    close = closest(name, known)
    if close:
        return f"; did you mean {close}?"
    if len(known) > LISTED:
        return "; --help-all lists the options"
    return f"; known are {', '.join(known)}"

"""Formats numbers and commands for messages and tables, and checks class names."""

from __future__ import annotations

import shlex
import unicodedata
from typing import Any, Sequence

from edge.core.errors import quoted

# What reading a JSON file whose content is not as expected can raise. An OSError tells
# that the file could not be read at all, for want of rights for example.
MALFORMED = (
    *(ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, RecursionError),
)
# Categories of Unicode: control characters, halves of a character, ends of lines.
NOT_IN_NAMES = ("Cc", "Cs", "Zl", "Zp")


def sides(values: Sequence[float]) -> str:
    """Formats numbers with an x between them.

    >>> sides((224, 224, 3)), sides((2.0, 0.5))
    ('224x224x3', '2x0.5')
    """
    return "x".join(f"{value:.9g}" for value in values)


def command(verb: str, *words: Any) -> str:
    """A command of kseg as it is printed: words with spaces can be pasted into a shell.

    >>> command("train", "--data", "my photos")
    "kseg train --data 'my photos'"
    """
    return shlex.join(["kseg", verb, *map(str, words)])


def to_class_name(given: Any) -> str:
    """A class name as text; integers are names too.

    Raises ValueError for what is no name. Line ends would shift the lines of
    labels.txt, and so the names of all classes after them.

    >>> to_class_name("person"), to_class_name(7)
    ('person', '7')
    """
    if type(given) not in (str, int):
        raise ValueError(f"the name {quoted(given)}, which is not text")
    name = str(given)
    if not name.strip() or any(unicodedata.category(c) in NOT_IN_NAMES for c in name):
        raise ValueError(
            f"the name {quoted(name)}, which is empty or has control characters"
        )
    return name

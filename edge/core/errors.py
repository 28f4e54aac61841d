"""Errors that commands report in one line: invalid input and failed conditions."""

from __future__ import annotations

import errno
import unicodedata
from typing import Any, Sequence

from edge.core.redaction import redact

LONGEST = 80  # characters of a value in a message
LONGEST_LIST = 400  # characters of names in a message
LONGEST_PATH = 400  # characters of a path in a message about the system's refusal

# What to do about an error of the operating system, by the name of its number.
REMEDIES = {
    **dict.fromkeys(("EACCES", "EPERM"), "change its rights or choose another place"),
    **dict.fromkeys(("ENOSPC", "EDQUOT"), "free some space"),
    **dict.fromkeys(("EMFILE", "ENFILE"), "raise the limit of open files (ulimit -n)"),
    **dict.fromkeys(("ENOENT", "ENOTDIR", "ELOOP"), "check the path"),
    "EEXIST": "it is a file: choose another name",
    "EROFS": "choose a place that can be written to",
    "EFBIG": "raise the limit of a file's size (ulimit -f)",
    "ENAMETOOLONG": "choose a shorter name",
    "EISDIR": "give the name of a file",
    "EIO": "check the disk",
}


class InputError(Exception):
    """Invalid input or usage. The message names the file, the value and the remedy.

    As text it has no secrets: a value may be an address with a password.
    """

    status = 2

    def __str__(self) -> str:
        return redact(super().__str__())


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
    shown = redact(text[: 4 * longest])  # before it is cut, which could hide an @
    whole = len(shown) <= longest and len(text) <= 4 * longest
    cut = in_one_line(shown[:longest])
    return cut if whole else f"{cut}… ({len(text):,} characters)"


def listed(names: Sequence[str]) -> str:
    """Names of classes for a message, each and all of them cut to a readable length.

    >>> listed(["sky", "road"])
    'sky, road'
    """
    return shortened(", ".join(map(shortened, names)), LONGEST_LIST)


def quoted(value: Any, longest: int = LONGEST) -> str:
    """As `shortened`, with a text in quotation marks and control characters escaped.

    >>> quoted("a\\tb"), quoted(2.5)
    ("'a\\\\tb'", '2.5')
    """
    return shortened(repr(value), longest)


def reason_of(error: OSError) -> str:
    """The operating system's words for an error, without the path.

    >>> reason_of(PermissionError(13, "Permission denied", "a.png"))
    'Permission denied'
    """
    return str(error.strerror or error)


def remedy_of(error: OSError, otherwise: str = "try again") -> str:
    """What to do about an error of the operating system; its number decides.

    >>> remedy_of(OSError(errno.ENOSPC, "No space left on device"))
    'free some space'
    """
    name = errno.errorcode.get(error.errno or 0, "")
    return REMEDIES.get(name, otherwise)


def cannot_be(done: str, path: Any, error: OSError) -> InputError:
    """The error of a path that cannot be "read", "written" or "created", and why.

    >>> print(cannot_be("written", "a.png", OSError(errno.EROFS, "Read-only")))
    a.png: cannot be written (Read-only); choose a place that can be written to
    """
    named = shortened(path, LONGEST_PATH)
    return InputError(
        f"{named}: cannot be {done} ({reason_of(error)}); {remedy_of(error)}"
    )


def in_one_line(text: str) -> str:
    """Text with its control characters escaped, as a name of a file may have them.

    >>> in_one_line("a\\nb\\x1b[31m.png")
    'a\\\\nb\\\\x1b[31m.png'
    """
    return "".join(
        c.encode("unicode_escape").decode("ascii")
        if unicodedata.category(c) in ("Cc", "Zl", "Zp")
        else c
        for c in text
    )

"""Text files and folders as people give them."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from edge.core.errors import InputError, reason_of

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def is_archive(path: Path) -> bool:
    """Whether a file is an archive, by the suffix of its name.

    >>> is_archive(Path("camvid.ZIP")), is_archive(Path("v1.0"))
    (True, False)
    """
    return path.suffix.lower() in ARCHIVES


def no_folder(path: Path) -> str:
    """Why a path that is needed as a folder is none, and what to do, for a message."""
    if not path.exists():
        return "no such folder"
    if is_archive(path):
        return "is an archive; unpack it and give the folder that it makes"
    return "is a file, not a folder"


def read_text(path: Path) -> str:
    """Read UTF-8 text that a person may have written, or UTF-16 with its mark.

    A byte order mark, such as Notepad and PowerShell write, is left out; lines end with
    LF. Raises OSError or UnicodeDecodeError.
    """
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith(UTF_16) else "utf-8-sig"
    return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def read_secret(option: str, file: Path) -> str:
    """The text of a file with a secret, which an option names.

    Raises InputError if it cannot be read. The message shows the name only if there is
    such a file or folder: the secret itself may be given in its place.
    """
    place = f"{option} {file}"
    try:
        return read_text(file)
    except UnicodeDecodeError:
        raise InputError(f"{place}: is not text in UTF-8") from None
    except OSError as error:
        reason = reason_of(error)
    if os.path.exists(file) or (file.parent != Path() and os.path.isdir(file.parent)):
        raise InputError(f"{place}: cannot be read ({reason})")
    raise InputError(
        f"{option}: cannot be read ({reason}); give the name of a file, not what is "
        "in it"
    )

"""The sources of the camera loop: options, a file, or an environment variable."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

from edge.app.secret_files import warn_of_readers
from edge.core.errors import InputError, reason_of
from edge.core.inputs import read_text
from edge.core.redaction import redact

VARIABLE = "KSEG_SOURCE"
DEFAULT = "0"  # the first camera
# So strict that no address, pipeline or usual path begins with it.
NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,31})=(.+)", re.DOTALL)


class GivenSource(NamedTuple):
    """A source as the user gives it; `name` is "" for a single one without a name."""

    name: str
    address: str


def given_sources(
    options: Optional[Sequence[str]], file: Optional[Path]
) -> List[GivenSource]:
    """The sources: those of --source, of --source-file, or of KSEG_SOURCE, else "0".

    Other users of a machine can read command lines, but neither a file without rights
    for them nor the environment: there is the place for an address with a password.
    Raises InputError if both options are given, the file has no text, or two sources
    have the same name.
    """
    if options and file:
        raise InputError("--source and --source-file: give one of them")
    if file:
        texts = lines_of(file)
        if any(redact(text) != text for text in texts):
            warn_of_readers(file, "--source-file")
    else:
        texts = list(options or [os.environ.get(VARIABLE, DEFAULT)])
    return with_names([parsed(text) for text in texts])


def parsed(text: str) -> GivenSource:
    """NAME=ADDRESS, or an address. What is a file or folder has no name before it.

    >>> parsed("door=rtsp://camera/live?channel=1")
    GivenSource(name='door', address='rtsp://camera/live?channel=1')
    >>> parsed("http://camera/live?channel=1").name
    ''
    """
    found = None if os.path.exists(text) else NAMED.fullmatch(text)
    if not found:
        return GivenSource("", text)
    name = found[1]
    if redact(f"{name}=word") != f"{name}=word":
        raise InputError(
            f"source {name}: what follows such a name is hidden as a password; give "
            "the source another name"
        )
    return GivenSource(name, found[2])


def with_names(given: Sequence[GivenSource]) -> List[GivenSource]:
    """The same, of several those without a name with their number as name."""
    if len(given) == 1:
        return list(given)
    named = [g._replace(name=g.name or str(n)) for n, g in enumerate(given, 1)]
    taken = set()
    for name, _ in named:
        if name.lower() in taken:  # they name files, for which case may not matter
            raise InputError(
                f"source {name}: two sources have this name; give each its own, "
                "NAME=ADDRESS"
            )
        taken.add(name.lower())
    return named


def lines_of(file: Path) -> List[str]:
    """The lines of a file with text. Raises InputError if there are none."""
    try:
        lines = read_text(file).splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--source-file {file}: is not text in UTF-8") from None
    except OSError as error:
        raise InputError(
            f"--source-file {file}: cannot be read ({reason_of(error)})"
        ) from None
    lines = [line.strip() for line in lines if line.strip()]
    if not lines:
        raise InputError(
            f"--source-file {file}: has 0 lines of text; write a source in each line"
        )
    return lines

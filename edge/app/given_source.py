"""The source of the camera loop: an option, a file, or an environment variable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from edge.app.secret_files import warn_of_readers
from edge.core.errors import InputError, reason_of
from edge.core.inputs import read_text
from edge.core.redaction import redact

VARIABLE = "KSEG_SOURCE"
DEFAULT = "0"  # the first camera


def given_source(option: Optional[str], file: Optional[Path]) -> str:
    """The source: that of --source, of --source-file, or of KSEG_SOURCE, else "0".

    Other users of a machine can read command lines, but neither a file without rights
    for them nor the environment: there is the place for an address with a password.
    Raises InputError if both options are given, or the file is not one line of text.
    """
    if option is not None and file:
        raise InputError("--source and --source-file: give one of them")
    if file:
        source = only_line(file)
        if redact(source) != source:
            warn_of_readers(file, "--source-file")
        return source
    return os.environ.get(VARIABLE, DEFAULT) if option is None else option


def only_line(file: Path) -> str:
    """The line of a file. Raises InputError if it has none or more than one."""
    try:
        lines = read_text(file).splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--source-file {file}: is not text in UTF-8") from None
    except OSError as error:
        raise InputError(
            f"--source-file {file}: cannot be read ({reason_of(error)})"
        ) from None
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) != 1:
        raise InputError(
            f"--source-file {file}: has {len(lines)} lines of text; write one line, "
            "the source"
        )
    return lines[0]

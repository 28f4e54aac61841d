"""Files with passwords, tokens and addresses: who else can read them."""

from __future__ import annotations

import shlex
from pathlib import Path

from edge.core.errors import shortened
from edge.core.log import say
from edge.core.system import others_may_read


def warn_of_readers(file: Path, option: str) -> None:
    """Say in one line that every user of this machine can read the file of an option.

    It is used all the same: a container may have no other user.
    """
    try:
        readable = others_may_read(file)
    except OSError:  # it was read just before
        return
    if readable:
        name = shortened(file)
        remedy = f"chmod 600 {shortened(shlex.quote(str(file)))}"
        say(f"{option} {name}: other users of this machine can read it; {remedy}")

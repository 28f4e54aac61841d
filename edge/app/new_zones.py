"""The file of --zones at the start: with --serve it may be missing."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from edge.core.files import check_writable
from edge.core.log import say
from edge.zones.zone_file import ZoneFile, read_zone_file


def zones_to_start(path: Optional[Path], served: Optional[str]) -> ZoneFile:
    """The content of the file `path`; empty for a file that the page will create.

    Raises InputError for one that cannot be read, or not be created.
    """
    if not path:
        return ZoneFile()
    if served and not path.exists():
        check_writable(path)
        say(f"--zones {path}: is not there yet; the first zone drawn creates it")
        return ZoneFile()
    return read_zone_file(path)

"""Data by name: `open_data("shapes")` or `open_data("path/to/folder")`."""

from __future__ import annotations

import shlex
from pathlib import Path

from edge.core.errors import InputError
from kseg.data.folder import is_laid_out, open_folder
from kseg.data.formats.detect import detect_format
from kseg.data.sample import Dataset
from kseg.data.shapes import open_shapes


def open_data(name: str, seed: int = 0) -> Dataset:
    """`shapes`, or the folder called `name`, checked file by file.

    `seed` splits a folder that has no splits. Raises InputError for the first fault.
    """
    if name == "shapes":
        return open_shapes()
    folder = Path(name)
    if folder.is_dir():
        refuse_export(folder)
    return open_folder(folder, seed)


def refuse_export(folder: Path) -> None:
    """Raises InputError that names the command, where a folder is another tool's."""
    name = None if is_laid_out(folder) else detect_format(folder)
    if name:
        raise InputError(
            f"{folder}: is an export ({name}); bring it into the layout: "
            f"python -m kseg.prepare {shlex.quote(str(folder))} DIR"
        )

"""Data by name: `open_data("shapes")` or `open_data("path/to/folder")`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Callable

from edge.core.errors import InputError
from kseg.data.folder import is_laid_out, open_folder
from kseg.data.formats.detect import detect_format
from kseg.data.sample import Dataset
from kseg.data.shapes import open_shapes

# (folder, seed) -> its data, for the task that its classes.json names.
OPENERS: dict[str, Callable[[Path, int], Dataset]] = {"semantic": open_folder}


def open_data(name: str, seed: int = 0) -> Dataset:
    """`shapes`, or the folder called `name`, checked file by file.

    `seed` splits a folder that has no splits. Raises InputError for the first fault.
    """
    if name == "shapes":
        return open_shapes()
    folder = Path(name)
    if folder.is_dir():
        refuse_export(folder)
    task = task_of(folder)
    if task not in OPENERS:
        raise InputError(
            f"{folder / 'classes.json'}: the task {task!r} is not known; "
            f"{', '.join(OPENERS)} can be trained"
        )
    return OPENERS[task](folder, seed)


def task_of(folder: Path) -> str:
    """What a folder is labelled for: "task" of its classes.json; without it semantic.

    What is wrong with the file otherwise is for its reader to say.
    """
    try:
        content = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
        return str(content.get("task", "semantic"))
    except (OSError, ValueError, AttributeError):
        return "semantic"


def refuse_export(folder: Path) -> None:
    """Raises InputError that names the command, where a folder is another tool's."""
    name = None if is_laid_out(folder) else detect_format(folder)
    if name:
        raise InputError(
            f"{folder}: is an export ({name}); bring it into the layout: "
            f"kseg prepare {shlex.quote(str(folder))} DIR"
        )

"""Opens a data set by name: `open_data("shapes")` or `open_data("path/to/folder")`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Callable

from edge.core.errors import InputError
from kseg.data.folder import is_data_folder, open_folder
from kseg.data.formats.detect import detect_format
from kseg.data.sample import Dataset
from kseg.data.shapes import open_shapes

# Task -> function (folder, seed) -> Dataset.
OPENERS: dict[str, Callable[[Path, int], Dataset]] = {"semantic": open_folder}


def open_data(name: str, seed: int = 0) -> Dataset:
    """Opens `shapes` or the data folder `name`, whose files are all checked.

    `seed` splits a folder that has no splits. Raises InputError for the first error.
    """
    if name == "shapes":
        return open_shapes()
    folder = Path(name)
    if folder.is_dir():
        reject_export(folder)
    task = task_of(folder)
    if task not in OPENERS:
        raise InputError(
            f"{folder / 'classes.json'}: unknown task {task!r}; known are "
            f"{', '.join(OPENERS)}"
        )
    return OPENERS[task](folder, seed)


def task_of(folder: Path) -> str:
    """The task of a data folder: "task" in its classes.json, by default semantic.

    Other errors in the file are reported when it is read.
    """
    try:
        content = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
        return str(content.get("task", "semantic"))
    except (OSError, ValueError, AttributeError):
        return "semantic"


def reject_export(folder: Path) -> None:
    """Raises InputError with the command to run if a folder is an export."""
    name = None if is_data_folder(folder) else detect_format(folder)
    if name:
        raise InputError(
            f"{folder}: this is an export in another format ({name}); convert it "
            f"first: kseg prepare {shlex.quote(str(folder))} DIR"
        )

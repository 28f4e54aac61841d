"""Opens a data set by name: `open_data("shapes")` or `open_data("path/to/folder")`."""

from __future__ import annotations

import json
import logging
import re
import shlex
from pathlib import Path
from typing import Any, Callable, Optional

from edge.core.errors import InputError, quoted
from edge.core.inputs import read_text
from kseg.core.names import OBJECT_MODELS, OBJECT_TASKS
from kseg.core.text import MALFORMED
from kseg.data.folder import (
    SPLITS,
    has_objects,
    is_data_folder,
    open_folder,
    parts_of,
    unread_parts,
)
from kseg.data.formats.detect import detect_format
from kseg.data.formats.unread import unread_error
from kseg.data.object_folder import (
    open_as_semantic,
    open_detections,
    open_instances,
)
from kseg.data.objects_file import OBJECTS
from kseg.data.sample import Dataset
from kseg.data.shapes import SHAPES

log = logging.getLogger(__name__)

SEMANTIC, INSTANCE, DETECTION = "semantic", "instance", "detection"
OUTLINE = re.compile(rb'"segmentation"\s*:\s*(\[\s*(\[\s*)?[\d.-]|\{)')


def open_semantic(folder: Path, seed: Optional[int]) -> Dataset:
    """Opens masks of classes, or objects with outlines, as classes of pixels.

    Masks of a folder that has both are used, unless its classes.json is of objects.
    Raises InputError for the first error.
    """
    parts = parts_of(folder).values()
    masks = any((part / "masks").is_dir() for part in parts)
    if any(has_objects(part) for part in parts):
        if not masks or declared_task(folder) in OBJECT_TASKS:
            return open_as_semantic(folder, seed)
    return open_folder(folder, seed)


# Task -> function (folder, seed) -> Dataset.
OPENERS: dict[str, Callable[[Path, Optional[int]], Dataset]] = {
    SEMANTIC: open_semantic,
    INSTANCE: open_instances,
    DETECTION: open_detections,
}


def open_data(
    name: str, seed: Optional[int] = 0, task: str = "", objects: int = 0
) -> Dataset:
    """Opens `shapes` or the data folder `name`, whose files are all checked.

    `seed` splits a folder that has no val split; None leaves it undivided. `task` is
    what to open it for; by default semantic for `shapes`, and what `task_of` finds for
    a folder. `objects` is the number of objects in each scene of `shapes`, 0 for a
    random one. Raises InputError for the first error, and for a folder that cannot
    give the task.
    """
    if name == "shapes":
        given = {"objects": objects} if objects else {}
        return SHAPES[known_task(task or SEMANTIC, "--task", SHAPES)](**given)
    folder = Path(name)
    if folder.is_dir():
        reject_export(folder)
        for path in unread_parts(folder):
            log.warning(f"{path}: is not read; the splits are {', '.join(SPLITS)}")
    source = "--task" if task else str(folder / "classes.json")
    return OPENERS[known_task(task or task_of(folder), source, OPENERS)](folder, seed)


def task_of_data(name: str, model: str = "") -> str:
    """The task of a data folder, unless another one is asked for.

    `shapes` are labelled for every task: theirs is that of the network `model`. Raises
    InputError if classes.json names an unknown task.
    """
    if name == "shapes":
        return OBJECT_MODELS.get(model, SEMANTIC)
    return known_task(task_of(Path(name)), f"{Path(name) / 'classes.json'}", OPENERS)


def known_task(task: str, source: str, known: dict[str, Any]) -> str:
    """The task. Raises InputError if it is not a key of `known`."""
    if task not in known:
        raise InputError(
            f"{source}: unknown task {quoted(task)}; known are {', '.join(known)}"
        )
    return task


def task_of(folder: Path) -> str:
    """The task of a data folder: "task" in its classes.json, or what its files are for.

    Without it, instance for instances/ or an objects.json with outlines, detection for
    an objects.json of boxes, else semantic. Errors in the files are reported when they
    are read.
    """
    declared = declared_task(folder)
    if declared:
        return declared
    parts = parts_of(folder).values()
    if any((part / "instances").is_dir() for part in parts):
        return INSTANCE
    files = [part / OBJECTS for part in parts if (part / OBJECTS).is_file()]
    if any(has_outlines(path) for path in files):
        return INSTANCE
    return DETECTION if files else SEMANTIC


def declared_task(folder: Path) -> str:
    """The "task" in a folder's classes.json; empty if it has none or is not valid."""
    try:
        content = json.loads(read_text(folder / "classes.json"))
        return str(content.get("task", ""))
    except (FileNotFoundError, NotADirectoryError, *MALFORMED):
        return ""


def has_outlines(path: Path) -> bool:
    """Whether an objects.json has outlines; it is searched as text, which is fast."""
    try:
        return bool(OUTLINE.search(path.read_bytes()))
    except OSError:
        return False


def reject_export(folder: Path) -> None:
    """Raises InputError with what to run if a folder is an export."""
    name = None if is_data_folder(folder) else detect_format(folder)
    if name:
        raise InputError(
            f"{folder}: this is an export in another format ({name}); convert it "
            f"first: kseg prepare {shlex.quote(str(folder))} DIR"
        )
    error = None if is_data_folder(folder) else unread_error(folder)
    if error:
        raise error

"""Recordings of events that a run has left unfinished, because it was killed."""

from __future__ import annotations

from pathlib import Path
from typing import List

from edge.core.errors import cannot_be
from edge.core.file_lock import FileLock
from edge.core.log import say
from edge.core.system import replace_file
from edge.video.recorder import CODECS, plays

PART = ".part"  # before the suffix, as edge.core.files.part_of has it


def keep_unfinished_of(folder: Path) -> List[Path]:
    """Give the unfinished recordings of a folder their names, and say so in a line.

    Those that do not play are removed. Those that another process is writing stay.
    Returns the new names.
    """
    kept: List[Path] = []
    removed = 0
    try:
        for part in parts_of(folder):
            lock = FileLock(part)
            try:
                lock.take()
            except BlockingIOError:
                continue
            try:
                if plays(part):
                    kept.append(finish(part))
                else:
                    part.unlink()
                    removed += 1
            finally:
                lock.release()
    except OSError as error:  # the camera goes on
        say(f"--event-folder: {cannot_be('read', folder, error)}")
    say_kept(kept, removed)
    return kept


def parts_of(folder: Path) -> List[Path]:
    """The temporary files of recordings in a folder, in order of name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.startswith(".")
        and path.stem.endswith(PART)
        and path.suffix.lower() in CODECS
    )


def finish(part: Path) -> Path:
    """Give a temporary file the name of its recording, or one that is free."""
    stem = part.stem[1 : -len(PART)]
    target, number = part.with_name(stem + part.suffix), 0
    while target.exists():
        number += 1
        target = part.with_name(f"{stem}-{number}{part.suffix}")
    replace_file(part, target)
    return target


def say_kept(kept: List[Path], removed: int) -> None:
    """One line about what a run that was stopped has left, if anything."""
    if kept:
        more = f" and {len(kept) - 1} more" if len(kept) > 1 else ""
        say(f"the recording of a run that was stopped is kept as {kept[0]}{more}")
    if removed:
        say(f"--event-folder: removed {removed} unfinished recordings that do not play")

"""Puts new files into a folder: all of them, or none if something fails.

Each is first copied beside its place under a hidden name, so that a full disk fails
before anything is changed; then all are renamed. If a rename fails, or Ctrl-C comes,
those before it are undone.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple, Optional, Sequence

from edge.core.errors import cannot_be
from edge.core.files import atomic_write, make_folder, new_part, remove_part
from edge.core.system import replace_file


class Move(NamedTuple):
    """A complete file, and the path that it gets; a file there is replaced."""

    file: Path
    target: Path


def put_all(moves: Sequence[Move]) -> None:
    """Makes the moves in their order. Raises InputError if that fails, all undone."""
    parts: list[Path] = []
    try:
        for file, target in moves:
            make_folder(target.parent)
            copy(file, target, parts)
        rename_all([Move(p, m.target) for p, m in zip(parts, moves, strict=True)])
    except BaseException:
        for part in parts:
            remove_part(part)
        raise


def copy(file: Path, target: Path, parts: list[Path]) -> None:
    """Copies a file beside the target, and adds the copy to `parts`.

    An error names the target.
    """
    try:
        parts.append(new_part(target))
        shutil.copyfile(file, parts[-1])
        with parts[-1].open("rb+") as written:
            os.fsync(written.fileno())
    except OSError as error:
        raise cannot_be("written", target, error) from None


def rename_all(moves: Sequence[Move]) -> None:
    """Renames files in one folder each; undoes all if one cannot be renamed."""
    before = {m.target: m.target.read_bytes() for m in moves if m.target.is_file()}
    begun: list[Move] = []
    try:
        for move in moves:
            begun.append(move)
            replace_file(*move)
    except BaseException as error:
        for part, target in reversed(begun):
            if not part.exists():  # it was renamed
                undo(target, before.get(target))
        if isinstance(error, OSError):
            raise cannot_be("written", begun[-1].target, error) from None
        raise


def undo(target: Path, content: Optional[bytes]) -> None:
    """Restores what was at a path, or removes the file."""
    if content is None:
        target.unlink(missing_ok=True)
        return
    with atomic_write(target) as part:
        part.write_bytes(content)

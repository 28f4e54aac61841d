"""Remembers what was found out about files, so that they are not read again.

A result is kept with the size and the times of its files in a database in the cache
folder (SQLite), one for each data folder and kind of check. If one of them differs, or
the code of the checks does, the file is read again. Nothing depends on it: without a
cache folder that can be written to, everything is read each time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from threading import get_ident
from typing import Any, Callable, Iterator, Optional, Sequence, TypeVar

import cv2
import numpy as np
import PIL

from edge.core.files import cache_folder, json_text
from kseg.core.plain import DAMAGE, from_plain, to_plain
from kseg.core.progress import in_order, shown

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

FOLDER = "checked"
KEPT_DAYS = 90  # of a database that is not used
COMMIT_SECONDS = 1.0  # at most so much work is lost if the process is killed
BUSY_SECONDS = 5.0  # that another process may write
# A file that was changed this long ago may be changed again without another time.
RECENT_SECONDS, RECENT_COARSE = 0.05, 2.5  # of fine times, and of times in seconds
FINE = 1_000_000  # nanoseconds; coarse times are multiples of it
SPARE = 1000  # results of files that are gone
FAILURES = (OSError, RuntimeError, sqlite3.Error)  # also a user without a home folder


def checked(
    function: Callable[[T], R],
    items: Sequence[T],
    name: str,
    about: Sequence[Any],
    files_of: Callable[[T], Sequence[Path]],
    keep: Callable[[R], bool] = lambda result: True,
) -> list[R]:
    """`function` of each item, on threads with progress, or as it was remembered.

    `about` identifies what results depend on besides the content of the files that
    `files_of` gives: the kind of check, the data folder, the classes. Results that
    `keep` is false for are not remembered, nor those of files about which something
    was logged: it is to be said again. After Ctrl-C the same call continues.
    """
    with opened(about) as memory, Spoken() as spoken:
        stamps = Stamps()
        keys = [stamps.key(files_of(item)) for item in items]
        found = {i: known for i, key in enumerate(keys) for known in memory.get(key)}
        rest = [index for index in range(len(items)) if index not in found]
        if found and rest:
            log.info(
                f"{name}: {len(found):,} of {len(items):,} are unchanged since they "
                f"were checked; checking the other {len(rest):,}"
            )
        noted = partial(spoken.noted, function)
        working = in_order(noted, [items[index] for index in rest])
        try:
            with closing(working):
                results = shown(working, f"checking {name}", len(rest))
                for index, (result, said) in zip(rest, results, strict=True):
                    found[index] = result
                    if keep(result) and not said:
                        memory.put(keys[index], result)
        except KeyboardInterrupt:
            if memory.database and len(found):
                log.info(
                    f"{name}: {len(found):,} of {len(items):,} are checked; the same "
                    "command continues there"
                )
            raise
        memory.shorten(len(items))
    return [found[index] for index in range(len(items))]


class Spoken(logging.Handler):
    """Notes in which threads kseg or edge logged something, while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[Optional[int]] = set()
        self.loggers = [logging.getLogger(name) for name in ("kseg", "edge")]

    def emit(self, record: logging.LogRecord) -> None:
        self.threads.add(record.thread)

    def noted(self, function: Callable[[T], R], item: T) -> tuple[R, bool]:
        """`function` of an item, and whether something was logged meanwhile."""
        self.threads.discard(get_ident())
        result = function(item)
        return result, get_ident() in self.threads

    def __enter__(self) -> Spoken:
        for logger in self.loggers:
            logger.addHandler(self)
        return self

    def __exit__(self, *_: Any) -> None:
        for logger in self.loggers:
            logger.removeHandler(self)


# --- files ---


class Stamps:
    """Makes keys of files from their paths, sizes and times."""

    def __init__(self) -> None:
        self.known: dict[Path, Optional[str]] = {}
        self.now = time.time_ns()

    def key(self, files: Sequence[Path]) -> Optional[tuple[str, str]]:
        """The absolute paths, and what they look like; None if that is no proof."""
        stamps = [self.stamp(path) for path in files]
        known = [stamp for stamp in stamps if stamp is not None]
        if len(known) < len(stamps):
            return None
        return "\n".join(os.path.abspath(path) for path in files), "\n".join(known)

    def stamp(self, path: Path) -> Optional[str]:
        """Size and times; None for a file that is missing or was changed just now."""
        if path not in self.known:
            self.known[path] = None
            try:
                status = path.stat()
            except OSError:
                return None
            coarse = not status.st_mtime_ns % FINE
            recent = 1e9 * (RECENT_COARSE if coarse else RECENT_SECONDS)
            if self.now - status.st_mtime_ns > recent:
                times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
                self.known[path] = f"{status.st_size} {times}"
        return self.known[path]


# --- the database ---


class Memory:
    """Results by the paths of their files; `database` is None if nothing is kept."""

    def __init__(self, database: Optional[sqlite3.Connection]):
        self.database = database
        self.committed = time.monotonic()
        self.damaged = False

    def stop(self, error: sqlite3.Error) -> None:
        """Keeps nothing more: a full disk, another process writes, or damage."""
        self.database = None
        self.damaged = not isinstance(error, sqlite3.OperationalError)

    def get(self, key: Optional[tuple[str, str]]) -> list[Any]:
        """The result of unchanged files in a list; an empty one if it is not known."""
        if key is None or self.database is None:
            return []
        query = "SELECT value FROM results WHERE files = ? AND stamps = ?"
        try:
            row = self.database.execute(query, [encoded(text) for text in key])
            return [from_plain(json.loads(value)) for (value,) in row]
        except sqlite3.Error as error:
            self.stop(error)
            return []
        except DAMAGE:  # it is found out again
            return []

    def put(self, key: Optional[tuple[str, str]], result: Any) -> None:
        """Keeps a result; it is written within about a second."""
        if key is None or self.database is None:
            return
        values = [*(encoded(text) for text in key), json_text(to_plain(result))]
        try:
            self.database.execute("REPLACE INTO results VALUES (?, ?, ?)", values)
            if time.monotonic() - self.committed > COMMIT_SECONDS:
                self.database.commit()
                self.committed = time.monotonic()
        except sqlite3.Error as error:
            self.stop(error)

    def shorten(self, count: int) -> None:
        """Removes all results if most are not of the `count` files that there are."""
        if self.database is None:
            return
        try:
            (rows,) = self.database.execute("SELECT COUNT(*) FROM results").fetchone()
            if rows > 2 * count + SPARE:
                self.database.execute("DELETE FROM results")
        except sqlite3.Error as error:
            self.stop(error)


def encoded(text: str) -> bytes:
    """A path as bytes: names of files need not be Unicode."""
    return os.fsencode(text)


@contextmanager
def opened(about: Sequence[Any]) -> Iterator[Memory]:
    """The memory of a kind of check of a data folder; it is written at the end."""
    path = path_of(about)
    database = path and connect(path)
    memory = Memory(database)
    try:
        yield memory
    finally:
        if path and database:
            with suppress(*FAILURES):  # what is not written is checked again
                database.commit()
            database.close()
            if memory.damaged:
                path.unlink(missing_ok=True)


def path_of(about: Sequence[Any]) -> Optional[Path]:
    """The file of a database, whose folder is made; None if that cannot be done."""
    text = repr((version_of_checks(), *about))
    name = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]
    try:
        folder = cache_folder() / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        remove_unused(folder)
    except FAILURES:
        return None
    return folder / f"{name}.sqlite"


def connect(path: Path) -> Optional[sqlite3.Connection]:
    """Opens a database; a damaged one is replaced. None if that cannot be done."""
    try:
        try:
            return prepared(path)
        except sqlite3.OperationalError:  # no damage: another process writes it
            return None
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            return prepared(path)
    except FAILURES:
        return None


def prepared(path: Path) -> sqlite3.Connection:
    """A connection to a database that has the table."""
    database = sqlite3.connect(path, timeout=BUSY_SECONDS)
    columns = "files BLOB PRIMARY KEY, stamps BLOB, value TEXT"
    try:
        # A power failure may damage it; then files are read again.
        database.execute("PRAGMA synchronous = OFF")
        database.execute(f"CREATE TABLE IF NOT EXISTS results ({columns})")
        database.execute("SELECT files, stamps, value FROM results LIMIT 1")
        os.utime(path)
    except BaseException:
        database.close()
        raise
    return database


def remove_unused(folder: Path) -> None:
    """Removes databases that were not opened for KEPT_DAYS."""
    for path in folder.glob("*.sqlite"):
        if time.time() - path.stat().st_mtime > KEPT_DAYS * 86_400:
            path.unlink(missing_ok=True)


@cache
def version_of_checks() -> str:
    """Digits that change with the code that reads files, and with its libraries."""
    total = hashlib.sha256(f"{cv2.__version__} {PIL.__version__}".encode())
    total.update(np.__version__.encode())
    root = Path(__file__).resolve().parents[2]
    for folder in (root / "edge" / "core", root / "kseg" / "core", root / "kseg/data"):
        for path in sorted(folder.rglob("*.py")):
            total.update(path.read_bytes())
    return total.hexdigest()

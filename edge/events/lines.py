"""Events to the log and to a file. No failure of these ends the camera."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

from edge.core.errors import cannot_be, reason_of, remedy_of
from edge.core.files import is_torn, json_text
from edge.core.log import say
from edge.events.text import change_text


class EventLog:
    """A sink that prints a line when an event starts and when it ends."""

    wants_view = False

    def take(self, displayed: Any) -> None:
        source = f"source {displayed.source}: " if displayed.source else ""
        for change in displayed.events:
            say(f"{source}{change_text(change)}")

    def close(self) -> None:
        pass


class EventLines:
    """A sink that appends a line of JSON for each start and end of an event.

    The keys are those of EventChange.to_json. A line is written at once. If that fails,
    as on a full disk, one line of the log says so, and another one at the end counts
    what is missing. Raises InputError if the file cannot be opened.
    """

    wants_view = False

    def __init__(self, path: Path):
        self.path, self.lost = path, 0
        self._failed: Optional[str] = None
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise cannot_be("written", path, error) from None
        self._torn = is_torn(path)  # whether the last line was written in part

    def take(self, displayed: Any) -> None:
        for change in displayed.events:
            self._write(json_text(change.to_json()).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        line = b"\n" + line if self._torn else line
        try:
            written = self._file.write(line)
        except OSError as error:
            self._fail(f"{reason_of(error)}; {remedy_of(error)}")
            return
        self._torn = written < len(line) and not self._remove(written)
        if written < len(line):
            self._fail("no space left; free some space")

    def _remove(self, count: int) -> bool:
        """Remove the last bytes, which are a part of a line. Whether that is done."""
        try:
            number = self._file.fileno()
            os.ftruncate(number, os.fstat(number).st_size - count)
        except OSError:  # a pipe, or a broken disk
            return False
        return not is_torn(self.path)

    def _fail(self, why: str) -> None:
        self.lost += 1
        if self._failed != why:
            self._failed = why
            say(f"--events {self.path}: an event is not written ({why})")

    def close(self) -> None:
        if self.lost:
            say(f"--events {self.path}: {self.lost} lines are missing")
        try:
            self._file.close()
        except OSError:
            pass  # each line was written at once, or is counted

"""Writes captured frames and their lines of JSON in a thread of its own.

A slow, full or broken disk never holds up a live source: frames that come faster than
they can be written are dropped, and what fails is said in one line.
"""

from __future__ import annotations

import base64
import json
import queue
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional

import cv2
import numpy as np

from edge.core.errors import InputError, cannot_be
from edge.core.files import is_torn, json_text
from edge.core.images import CAPTURED, list_images, write_bytes
from edge.core.likeness import SIDE, Appearance
from edge.core.log import say
from edge.video.frames import HANG_SECONDS

LINES = CAPTURED
WAITING = 4  # frames in memory at most


class Item(NamedTuple):
    """A frame (H, W, 3) uint8 BGR, the name of its file and its line.

    `written` tells whether they are on the disk, once that is known.
    """

    image: np.ndarray
    name: str
    line: dict[str, Any]
    written: Future[bool]


class CaptureWriter:
    """Writes frames as PNG into `folder`, each with a line in captured.jsonl.

    `count` is the number of image files in the folder, those before and those that are
    being written. With `live` False a frame waits a while until there is room for it.
    Raises InputError if the folder cannot be read.
    """

    def __init__(self, folder: Path, live: bool = False):
        self.folder, self._patience = folder, 0.0 if live else HANG_SECONDS
        self.count = len(list_images(folder))
        self.written = 0
        self._failed = False
        self._items: queue.Queue[Optional[Item]] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> bool:
        """Write a frame as soon as possible. False if too many wait already."""
        try:
            self._items.put(item, bool(self._patience), self._patience or None)
        except queue.Full:
            return False
        self.count += 1
        return True

    def close(self) -> None:
        """Wait until all frames are written, but not for a disk that hangs."""
        try:
            self._items.put(None, timeout=HANG_SECONDS)
            self._thread.join(HANG_SECONDS * WAITING)
        except queue.Full:
            pass
        if self._thread.is_alive():
            say(f"--capture {self.folder}: the disk is too slow; frames are missing")

    def _run(self) -> None:
        for item in iter(self._items.get, None):
            try:
                self._write(item)
            except (InputError, OSError, cv2.error) as error:
                self.count -= 1
                self._report(error)
                item.written.set_result(False)
            else:
                self.written, self._failed = self.written + 1, False
                item.written.set_result(True)

    def _write(self, item: Item) -> None:
        """Write the image, then its line; without the line, the image is removed."""
        path = self.folder / item.name
        done, content = cv2.imencode(path.suffix, item.image)
        if not done:
            raise InputError(f"{path}: OpenCV cannot write this frame")
        write_bytes(path, content.tobytes())
        try:
            append_line(self.folder / LINES, item.line)
        except OSError as error:
            path.unlink()
            raise cannot_be("written", self.folder / LINES, error) from None

    def _report(self, error: Exception) -> None:
        """Say what failed, once until a frame was written again."""
        if not self._failed:
            say(f"--capture {self.folder}: {error}; the camera goes on without it")
        self._failed = True


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append a line of JSON; a line that a full disk has cut before is ended first."""
    start = b"\n" if is_torn(path) else b""
    with path.open("ab") as file:
        file.write(start + json_text(line).encode("utf-8") + b"\n")


def text_of(one: Appearance) -> dict[str, str]:
    """What a line holds of the appearance of its image."""
    thumbnail = base64.b64encode(one.thumbnail.tobytes()).decode("ascii")
    return {"hash": one.hash.tobytes().hex(), "thumbnail": thumbnail}


def known_appearances(folder: Path) -> Iterator[Appearance]:
    """The appearances of the images captured before, also of those moved elsewhere.

    Lines that cannot be read are left out: a full disk cuts them.
    """
    try:
        lines = (folder / LINES).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for text in lines.splitlines():
        try:
            line = json.loads(text)
            bits = np.frombuffer(bytes.fromhex(line["hash"]), np.uint8)
            grey = np.frombuffer(base64.b64decode(line["thumbnail"]), np.uint8)
            one = Appearance(bits, grey.reshape(SIDE, SIDE))
        except (ValueError, KeyError, TypeError):
            continue
        if bits.size == SIDE * SIDE // 8:
            yield one

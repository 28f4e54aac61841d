"""Runs MediaPipe's ImageSegmenter in a Python of its own.

benchmarks/mediapipe_child.py is started there; it answers one line of JSON to each that
it is sent.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from edge.app.measure import Mark
from edge.core.errors import InputError

CHILD = Path(__file__).resolve().with_name("mediapipe_child.py")
SECONDS = 300.0  # for an answer: MediaPipe hangs over some models


class MediaPipeRunner:
    """MediaPipe in `python`, with a model and a video; a context manager.

    Raises InputError where it does not start, or stops, with its last words.
    """

    def __init__(self, python: str, model: Path, video: str):
        self.python = python
        self._words = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        # -I: what Python's variables name, and this folder's names, are not for it.
        order = [python, "-I", str(CHILD), str(model), video]
        try:
            self._child = subprocess.Popen(
                order,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                text=True,
            )
        except OSError as error:
            self._words.close()
            raise InputError(
                f"--python {python}: cannot be started ({error.strerror}); name the "
                "Python of an environment that has mediapipe"
            ) from None
        try:
            self.version: str = self._answer()["version"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> MediaPipeRunner:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self._child.kill()
        with suppress(BrokenPipeError):  # what it did not read any more
            self._child.stdin.close()
        self._child.wait()
        self._child.stdout.close()
        self._words.close()

    def run_frames(self, count: int) -> list[Mark]:
        """A mark of each of the first `count` frames, fewer where the video ends."""
        marks = self._asked({"count": count})["marks"]
        return [Mark(clock, processor) for clock, processor in marks]

    def labels(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB -> class ids (N, H, W) uint8."""
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "images.npy", Path(folder) / "labels.npy"
            np.save(given, images)
            self._asked({"images": str(given), "labels": str(made)})
            return np.load(made)

    def _asked(self, order: dict[str, Any]) -> dict[str, Any]:
        try:
            self._child.stdin.write(json.dumps(order) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            pass  # it is gone; what it said is the answer
        return self._answer()

    def _stop(self, late: threading.Event) -> None:
        late.set()
        self._child.kill()

    def _answer(self) -> dict[str, Any]:
        late = threading.Event()
        limit = threading.Timer(SECONDS, self._stop, [late])
        limit.start()
        line = self._child.stdout.readline()
        limit.cancel()
        if line:
            return json.loads(line)
        self._child.wait()
        self._words.seek(0)
        words = self._words.read().strip().splitlines() or ["no word"]
        if late.is_set():
            words = [f"gives no answer within {SECONDS:.0f} seconds"]
        raise InputError(f"--python {self.python}: {words[-1]}")

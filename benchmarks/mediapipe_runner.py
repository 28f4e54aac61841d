"""Runs MediaPipe's ImageSegmenter or ObjectDetector in another Python.

benchmarks/mediapipe_child.py runs there; it answers each line of JSON with one line.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Mapping, Optional

import numpy as np

from edge.app.measure import Mark
from edge.core.errors import InputError

CHILD = Path(__file__).resolve().with_name("mediapipe_child.py")
SECONDS = 300.0  # until an answer: MediaPipe hangs with some models


class MediaPipeRunner:
    """MediaPipe in `python`, with a model and a video; a context manager.

    `task` is semantic or detection, `options` are more options of MediaPipe's task.
    Raises InputError with the child's last line of output if it fails.
    """

    def __init__(
        self,
        python: str,
        model: Path,
        video: str,
        task: str = "semantic",
        options: Optional[Mapping[str, Any]] = None,
    ):
        self.python = python
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        # -I: ignore Python's environment variables and the modules of this folder.
        request = [python, "-I", str(CHILD), str(model), video, task]
        request.append(json.dumps(dict(options or {})))
        try:
            self._child = subprocess.Popen(
                request,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                text=True,
            )
        except OSError as error:
            self._output.close()
            raise InputError(
                f"--python {python}: cannot be started ({error.strerror}); give the "
                "Python of an environment with mediapipe"
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
        with suppress(BrokenPipeError):  # the child had ended
            self._child.stdin.close()
        self._child.wait()
        self._child.stdout.close()
        self._output.close()

    def run_frames(self, count: int) -> list[Mark]:
        """A mark for each of the first `count` frames; fewer if the video ends."""
        marks = self._ask({"count": count})["marks"]
        return [Mark(clock, processor) for clock, processor in marks]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB -> the results of all images.

        Class ids (N, H, W) uint8, or rows (M, 7) float32 of objects: number of the
        image, class id, score, x0, y0, x1, y1.
        """
        with tempfile.TemporaryDirectory() as folder:
            inputs, outputs = Path(folder) / "images.npy", Path(folder) / "results.npy"
            np.save(inputs, images)
            self._ask({"images": str(inputs), "results": str(outputs)})
            return np.load(outputs)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            pass  # the child has ended; its output has the reason
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
        self._output.seek(0)
        lines = self._output.read().strip().splitlines() or ["ended without a message"]
        if late.is_set():
            lines = [f"no answer within {SECONDS:.0f} seconds"]
        raise InputError(f"--python {self.python}: {lines[-1]}")

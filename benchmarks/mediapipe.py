"""MediaPipe's ImageSegmenter on the same network and video, to be measured beside ours.

It lives in a Python of its own: this file is run there as a child, which answers one
line of JSON to each it is sent. It reads, converts and segments frame after frame as
MediaPipe's users write it, in its VIDEO mode, and draws nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from edge.core.errors import InputError

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]


SECONDS = 300.0  # for an answer: MediaPipe hangs over some models


class Rival:
    """MediaPipe in `python`, with a model and a video; a context manager.

    Raises InputError where it does not start, or stops, with its last words.
    """

    def __init__(self, python: str, model: Path, video: str):
        self.python = python
        self._words = tempfile.TemporaryFile(mode="w+", errors="replace")
        # -I: what Python's variables name, and this folder's names, are not for it.
        order = [python, "-I", str(Path(__file__).resolve()), str(model), video]
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
                f"--mediapipe {python}: cannot be started ({error.strerror}); name the "
                "Python of an environment that has mediapipe"
            ) from None
        try:
            self.version: str = self._answer()["version"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Rival:
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

    def turn(self, count: int) -> list[list[float]]:
        """Marks, as edge.measuring's, of the first `count` frames of the video."""
        return self._asked({"count": count})["marks"]

    def labels(self, pictures: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB -> its class ids (N, H, W) uint8."""
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "pictures.npy", Path(folder) / "labels.npy"
            np.save(given, pictures)
            self._asked({"pictures": str(given), "labels": str(made)})
            return np.load(made)

    def _asked(self, order: dict[str, Any]) -> dict[str, Any]:
        try:
            self._child.stdin.write(json.dumps(order) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            pass  # it is gone; what it said is the answer
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        limit = threading.Timer(SECONDS, self._child.kill)
        limit.start()
        line = self._child.stdout.readline()
        limit.cancel()
        if line:
            return json.loads(line)
        self._child.wait()
        self._words.seek(0)
        words = self._words.read().strip().splitlines() or ["no word"]
        if self._child.returncode == -signal.SIGKILL:
            words = [f"gives no answer within {SECONDS:.0f} seconds"]
        raise InputError(f"--mediapipe {self.python}: {words[-1]}")


class Child:
    """The side that has MediaPipe."""

    def __init__(self, model: str, video: str):
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        self.mediapipe, self.video, self.millis = mediapipe, video, 0
        options = vision.ImageSegmenterOptions(
            base_options=BaseOptions(model_asset_path=model),
            running_mode=vision.RunningMode.VIDEO,
            output_category_mask=True,
            output_confidence_masks=False,  # these would cost it time
        )
        self.segmenter = vision.ImageSegmenter.create_from_options(options)

    def segment(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3) RGB -> (H, W) ids, in memory that MediaPipe uses again."""
        self.millis += 40  # it wants times that grow
        image = self.mediapipe.Image(self.mediapipe.ImageFormat.SRGB, picture)
        mask = self.segmenter.segment_for_video(image, self.millis).category_mask
        return mask.numpy_view().reshape(picture.shape[:2])

    def turn(self, count: int) -> dict[str, Any]:
        import time

        import cv2

        capture, marks = cv2.VideoCapture(self.video), []
        while len(marks) < count:
            there, frame = capture.read()
            if not there:
                break
            self.segment(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            marks.append((time.perf_counter(), time.process_time()))
        capture.release()
        return {"marks": marks}

    def label(self, pictures: str, labels: str) -> dict[str, Any]:
        np.save(labels, [self.segment(p).copy() for p in np.load(pictures)])
        return {}


def main() -> None:
    """Answers on what was stdout; libraries write to stderr."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    child = Child(*sys.argv[1:])
    print(json.dumps({"version": child.mediapipe.__version__}), file=out)
    for line in sys.stdin:
        order = json.loads(line)
        answer = child.turn(**order) if "count" in order else child.label(**order)
        print(json.dumps(answer), file=out)


if __name__ == "__main__":
    main()

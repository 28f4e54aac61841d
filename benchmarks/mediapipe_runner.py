"""Runs MediaPipe's ImageSegmenter or ObjectDetector in another Python.

benchmarks/mediapipe_child.py runs there.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Mapping, Optional

import numpy as np

from benchmarks.child_process import ChildProcess
from edge.app.measure import Mark

CHILD = Path(__file__).resolve().with_name("mediapipe_child.py")


class MediaPipeRunner(ChildProcess):
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
        arguments = [str(model), video, task, json.dumps(dict(options or {}))]
        super().__init__(python, CHILD, arguments, "mediapipe")

    def run_frames(self, count: int) -> list[Mark]:
        """A mark for each of the first `count` frames; fewer if the video ends."""
        marks = self.ask({"count": count})["marks"]
        return [Mark(clock, processor) for clock, processor in marks]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB -> the results of all images.

        Class ids (N, H, W) uint8, or rows (M, 7) float32 of objects: number of the
        image, class id, score, x0, y0, x1, y1.
        """
        with tempfile.TemporaryDirectory() as folder:
            inputs, outputs = Path(folder) / "images.npy", Path(folder) / "results.npy"
            np.save(inputs, images)
            self.ask({"images": str(inputs), "results": str(outputs)})
            return np.load(outputs)

"""Runs MediaPipe; a child process of benchmarks/mediapipe_runner.py.

It runs in a Python with mediapipe and needs nothing else of this project. It reads
lines of JSON and answers each with one line of JSON. It reads, converts and segments
frame by frame in MediaPipe's VIDEO mode, as in MediaPipe's examples, and draws nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np


class Child:
    """A model in MediaPipe, and a video."""

    def __init__(self, model: str, video: str):
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        self.mediapipe, self.video, self.millis = mediapipe, video, 0
        options = vision.ImageSegmenterOptions(
            base_options=BaseOptions(model_asset_path=model),
            running_mode=vision.RunningMode.VIDEO,
            output_category_mask=True,
            output_confidence_masks=False,  # would take time
        )
        self.segmenter = vision.ImageSegmenter.create_from_options(options)

    def segment(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) RGB -> (H, W) class ids, in memory that MediaPipe reuses."""
        self.millis += 40  # timestamps must increase
        frame = self.mediapipe.Image(self.mediapipe.ImageFormat.SRGB, image)
        mask = self.segmenter.segment_for_video(frame, self.millis).category_mask
        return mask.numpy_view().reshape(image.shape[:2])

    def run_frames(self, count: int) -> dict[str, Any]:
        """Wall-clock and processor time at the end of each of the first frames."""
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

    def label(self, images: str, labels: str) -> dict[str, Any]:
        """Reads images from a .npy file and writes their labels to another."""
        np.save(labels, [self.segment(image).copy() for image in np.load(images)])
        return {}


def main() -> None:
    """Answers on the original stdout; libraries that print are sent to stderr."""
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    child = Child(*sys.argv[1:])
    print(json.dumps({"version": child.mediapipe.__version__}), file=out)
    for line in sys.stdin:
        request = json.loads(line)
        answer = (
            child.run_frames(**request)
            if "count" in request
            else child.label(**request)
        )
        print(json.dumps(answer), file=out)


if __name__ == "__main__":
    main()

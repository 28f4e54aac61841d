"""MediaPipe's side of the comparison; benchmarks/mediapipe_runner.py starts it.

It runs in a Python that has mediapipe and need have nothing of this project. It takes
lines of JSON and answers each with one. It reads, converts and segments frame after
frame as MediaPipe's users write it, in its VIDEO mode, and draws nothing.
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
            output_confidence_masks=False,  # these would cost it time
        )
        self.segmenter = vision.ImageSegmenter.create_from_options(options)

    def segment(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) RGB -> (H, W) ids, in memory that MediaPipe uses again."""
        self.millis += 40  # it wants times that grow
        given = self.mediapipe.Image(self.mediapipe.ImageFormat.SRGB, image)
        mask = self.segmenter.segment_for_video(given, self.millis).category_mask
        return mask.numpy_view().reshape(image.shape[:2])

    def run_frames(self, count: int) -> dict[str, Any]:
        """Of each of the first `count` frames: when it was done, by both clocks."""
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
        """Writes the labels of the images of a .npy file to another."""
        np.save(labels, [self.segment(image).copy() for image in np.load(images)])
        return {}


def main() -> None:
    """Answers on what was stdout; libraries write to stderr."""
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    child = Child(*sys.argv[1:])
    print(json.dumps({"version": child.mediapipe.__version__}), file=out)
    for line in sys.stdin:
        order = json.loads(line)
        answer = child.run_frames(**order) if "count" in order else child.label(**order)
        print(json.dumps(answer), file=out)


if __name__ == "__main__":
    main()

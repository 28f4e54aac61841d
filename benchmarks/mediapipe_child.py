"""Runs MediaPipe; a child process of benchmarks/mediapipe_runner.py.

It runs in a Python with mediapipe and needs nothing else of this project. It reads
lines of JSON and answers each with one line of JSON. It reads, converts and predicts
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
    """A model in MediaPipe, and a video. A subclass runs one of its tasks."""

    def __init__(self, model: str, video: str, options: dict[str, Any]):
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        self.mediapipe, self.video, self.millis = mediapipe, video, 0
        common = {
            "base_options": BaseOptions(model_asset_path=model),
            "running_mode": vision.RunningMode.VIDEO,
        }
        self.task = self.open(vision, {**common, **options})

    def open(self, vision: Any, options: dict[str, Any]) -> Any:
        """The task of MediaPipe with these options."""
        raise NotImplementedError

    def predict(self, image: np.ndarray) -> Any:
        """The result of (H, W, 3) RGB."""
        raise NotImplementedError

    def array(self, results: list[Any]) -> np.ndarray:
        """The results of several images as one array."""
        raise NotImplementedError

    def frame(self, image: np.ndarray) -> tuple[Any, int]:
        """The arguments of a call in VIDEO mode, whose timestamps must increase."""
        self.millis += 40
        return self.mediapipe.Image(self.mediapipe.ImageFormat.SRGB, image), self.millis

    def run_frames(self, count: int) -> dict[str, Any]:
        """Wall-clock and processor time at the end of each of the first frames."""
        import cv2

        capture, marks = cv2.VideoCapture(self.video), []
        while len(marks) < count:
            there, frame = capture.read()
            if not there:
                break
            self.predict(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            marks.append((time.perf_counter(), time.process_time()))
        capture.release()
        return {"marks": marks}

    def predict_images(self, images: str, results: str) -> dict[str, Any]:
        """Reads images from a .npy file and writes their results to another."""
        found = [self.predict(image) for image in np.load(images)]
        np.save(results, self.array(found))
        return {}


class Segmenter(Child):
    """ImageSegmenter: (H, W) class ids of an image, (N, H, W) of several."""

    def open(self, vision: Any, options: dict[str, Any]) -> Any:
        chosen = vision.ImageSegmenterOptions(
            output_category_mask=True,
            output_confidence_masks=False,  # would take time
            **options,
        )
        return vision.ImageSegmenter.create_from_options(chosen)

    def predict(self, image: np.ndarray) -> np.ndarray:
        mask = self.task.segment_for_video(*self.frame(image)).category_mask
        # MediaPipe reuses the memory.
        return mask.numpy_view().reshape(image.shape[:2]).copy()

    def array(self, results: list[Any]) -> np.ndarray:
        return np.stack(results)


class Detector(Child):
    """ObjectDetector: rows (M, 6) of an image: class id, score, x0, y0, x1, y1.

    Those of several images are (M, 7), with the number of the image first. MediaPipe
    gives names: class ids are positions in the option `names`, -1 for other names.
    """

    def open(self, vision: Any, options: dict[str, Any]) -> Any:
        names = options.pop("names")
        self.class_ids = {name: float(index) for index, name in enumerate(names)}
        chosen = vision.ObjectDetectorOptions(**options)
        return vision.ObjectDetector.create_from_options(chosen)

    def predict(self, image: np.ndarray) -> np.ndarray:
        found = self.task.detect_for_video(*self.frame(image)).detections
        rows = [self.row_of(each.categories[0], each.bounding_box) for each in found]
        return np.array(rows, np.float32).reshape(-1, 6)

    def row_of(self, best: Any, box: Any) -> list[float]:
        """Class id, score, x0, y0, x1, y1 of a detection."""
        class_id = self.class_ids.get(best.category_name, -1.0)
        x0, y0 = box.origin_x, box.origin_y
        return [class_id, best.score, x0, y0, x0 + box.width, y0 + box.height]

    def array(self, results: list[Any]) -> np.ndarray:
        rows = [np.insert(found, 0, index, 1) for index, found in enumerate(results)]
        return np.concatenate(rows)


TASKS: dict[str, type[Child]] = {"semantic": Segmenter, "detection": Detector}


def main() -> None:
    """Answers on the original stdout; libraries that print are sent to stderr."""
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    model, video, task, options = sys.argv[1:]
    child = TASKS[task](model, video, json.loads(options))
    print(json.dumps({"version": child.mediapipe.__version__}), file=out)
    for line in sys.stdin:
        request = json.loads(line)
        answer = (
            child.run_frames(**request)
            if "count" in request
            else child.predict_images(**request)
        )
        print(json.dumps(answer), file=out)


if __name__ == "__main__":
    main()

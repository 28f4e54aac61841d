"""The frames of a source with their results, for use from Python."""

from __future__ import annotations

from contextlib import closing
from typing import Iterator, Tuple

import numpy as np

from edge.app.threads import CaptureThreads
from edge.predict.base import Predictor
from edge.predict.results import Result
from edge.video.sources import open_source


def frames_with_results(
    predictor: Predictor, source: str
) -> Iterator[Tuple[np.ndarray, Result]]:
    """Yield frames (H, W, 3) uint8 RGB with their results.

    Capture and prediction run in threads; a live source skips frames while the network
    is busy. The source is opened for the first frame and closed with the iterator.
    Raises InputError if the source cannot be opened.
    """
    with open_source(source) as frames:
        with CaptureThreads(frames, predictor, None) as pipeline:
            with closing(iter(pipeline)) as predictions:
                for predicted in predictions:
                    if predicted is not None:  # None while waiting for a frame
                        image, _ = predicted.frame
                        rgb = np.ascontiguousarray(image[..., ::-1])
                        yield rgb, predicted.result

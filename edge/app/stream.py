"""A source's frames with their results, for programs of one's own."""

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
    """Frames (H, W, 3) uint8 RGB and what is predicted for each.

    Capture and prediction each have a thread; a live source skips frames that come
    while the network is busy. The source is opened with the first frame and closed when
    the iterator is. Raises InputError for a source that cannot be opened.
    """
    with open_source(source) as frames:
        with CaptureThreads(frames, predictor, None) as pipeline:
            with closing(iter(pipeline)) as predictions:
                for predicted in predictions:
                    if predicted is not None:  # nothing came for a moment
                        image, _ = predicted.frame
                        rgb = np.ascontiguousarray(image[..., ::-1])
                        yield rgb, predicted.result

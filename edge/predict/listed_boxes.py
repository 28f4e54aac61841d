"""Objects of networks whose file lists boxes: `localize`, `yolo`, `detr`."""

from __future__ import annotations

import numpy as np

from edge.predict.boxes import Size
from edge.predict.decoder import Decoder, decoder_of
from edge.predict.detection import DetectionPredictor

LARGEST = 100.0  # share of the input; clipped, so that damaged files cannot overflow


class ListedBoxPredictor(DetectionPredictor):
    """Predicts objects from a list of N boxes.

    Outputs: "scores" (N, C) probabilities, in the Keras network too, and "boxes" (N, 4)
    cy, cx, h, w in shares of the network's input. The input counts with the network's
    own padding, below and to the right, to a multiple of `info.geometry.minimum`; a
    network without padding has a minimum that divides its input size, such as 1.
    An object has its box's best class. Of the decoder, `score`, `nms` and
    `max_detections` apply; with a `nms` of 1 no box is suppressed.
    """

    def _check_decoder(self) -> None:
        decoder_of(self.info)

    def _logits(self) -> bool:
        return False

    def _padded(self, size: Size, decoder: Decoder, count: int) -> Size:
        multiple = max(1, self.info.geometry.minimum)
        height, width = (-(-side // multiple) * multiple for side in size)
        return height, width

    def _decoded(
        self, values: np.ndarray, rows: np.ndarray, padded: Size, decoder: Decoder
    ) -> np.ndarray:
        return from_shares(values, padded)


def from_shares(values: np.ndarray, size: Size) -> np.ndarray:
    """(N, 4) cy, cx, h, w in shares of `size` -> (N, 4) float32 x0, y0, x1, y1.

    >>> from_shares(np.float32([[0.5, 0.25, 0.5, 0.5]]), (64, 128)).tolist()
    [[0.0, 16.0, 64.0, 48.0]]
    """
    height, width = size
    values = np.clip(values, -LARGEST, LARGEST)
    y, x, h, w = (values * np.float32([height, width, height, width])).T
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)

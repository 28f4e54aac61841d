"""The TFLite Metadata with which MediaPipe's ObjectDetector decodes a file's boxes.

Fields are numbered as in metadata_schema.fbs and object_detector_metadata_schema.fbs,
both in MediaPipe's mediapipe/tasks/metadata. The file has two outputs, both float32 or
both uint8; MediaPipe tells them apart by their names.
"""

from __future__ import annotations

import numpy as np

from edge.model_file.info import LABELS, ModelInfo
from edge.predict.boxes import anchor_grid, padded_to
from edge.predict.decoder import Decoder, decoder_of
from kseg.deploy.metadata_tables import (
    AXIS_LABELS,
    BOUNDING_BOX,
    FEATURE,
    Table,
    image_tensor,
    packed,
)

BOUNDARIES, RATIO = 1, 0  # BoundingBoxType, CoordinateType
# Where left, top, right and bottom are in a box, which MediaPipe decodes to top, left,
# bottom, right. It takes no other type than BOUNDARIES.
EDGES = np.array([1, 0, 3, 2], np.uint32)
COORDINATES = 4  # of a box, without keypoints


def detector_metadata(info: ModelInfo, shape: tuple[int, ...]) -> bytes:
    """ModelMetadata of a file with the outputs scores and boxes.

    `shape` (1, H, W, C) is that of the input. The outputs are described in the order
    of `info.outputs`.
    """
    options = detector_options(info, (shape[1], shape[2]))
    return packed(
        {
            0: "ObjectDetector",
            1: "Finds objects and their boxes.",
            3: [
                {  # SubGraphMetadata
                    2: [image_tensor(shape[-1])],
                    3: [OUTPUTS[role] for role in info.outputs],
                    9: [{0: "DETECTOR_METADATA", 1: options}],
                }
            ],
            7: "1.5.0",  # minimum parser version: custom metadata
        },
        b"M001",
    )


# Role of an output -> its TensorMetadata, with the name that MediaPipe looks for.
OUTPUTS: dict[str, Table] = {
    "boxes": {
        0: "location",
        1: "The box of each anchor as dy, dx, dh, dw.",
        3: {0: BOUNDING_BOX, 1: {0: EDGES, 1: BOUNDARIES, 2: RATIO}},
    },
    "scores": {
        0: "score",
        1: "The probability of each class at each anchor.",
        3: {0: FEATURE, 1: {}},
        6: [{0: LABELS, 2: AXIS_LABELS}],
    },
}


def detector_options(info: ModelInfo, size: tuple[int, int]) -> bytes:
    """ObjectDetectorOptions of a network for inputs of `size`: anchors and decoding."""
    decoder = decoder_of(info)
    anchors = anchor_tables(decoder, size, info.geometry.minimum)
    classes = len(info.class_names)
    return packed(
        {
            0: "1.5.0",
            1: {0: {0: anchors}},  # SsdAnchorsOptions, FixedAnchorsSchema
            2: decoding_table(decoder, classes, len(anchors)),
        },
        b"V001",
    )


def anchor_tables(
    decoder: Decoder, size: tuple[int, int], multiple: int
) -> list[Table]:
    """FixedAnchor of each cell: x and y of the centre, width and height.

    They are shares of the input `size`; the network pads it to a `multiple`, so that
    anchors may lie beyond 1.
    """
    padded = padded_to(size, multiple)
    centers, sides = anchor_grid(padded, decoder.strides, decoder.anchor_scale)
    shares = np.stack([centers[:, 1], centers[:, 0], sides, sides], axis=1)
    shares = np.float32(shares / np.float32([size[1], size[0], size[1], size[0]]))
    return [dict(enumerate(anchor)) for anchor in shares]


def decoding_table(decoder: Decoder, classes: int, anchors: int) -> Table:
    """TensorsDecodingOptions: how deltas become boxes. Scores are probabilities."""
    y, x, height, width = (np.float32(1 / value) for value in decoder.variances)
    return {
        0: np.int32(classes),
        1: np.int32(anchors),
        2: np.int32(COORDINATES),
        3: np.int32(0),  # where keypoints start
        4: np.int32(0),  # their number
        5: np.int32(2),  # values of each
        6: x,
        7: y,
        8: width,
        9: height,
        10: True,  # sides are exponential
        11: False,  # no sigmoid is missing
    }

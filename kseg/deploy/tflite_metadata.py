"""TFLite Metadata: the description of a model that MediaPipe and other programs read.

It is a separate flatbuffer in the model's buffer TFLITE_METADATA. Fields are numbered
by their position in metadata_schema.fbs (version 1.5.0) and, for the activation of the
scores, image_segmenter_metadata_schema.fbs, both in MediaPipe's
mediapipe/tasks/metadata.
"""

from __future__ import annotations

from functools import partial
from typing import Callable

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge.model_file.flatbuffer import METADATA as METADATA_NAME
from edge.model_file.info import LABELS, ModelInfo
from kseg.deploy.detector_metadata import detector_metadata
from kseg.deploy.metadata_tables import (
    AXIS_LABELS,
    FEATURE,
    VALUE_LABELS,
    Table,
    image_tensor,
    packed,
)

NONE, SOFTMAX = 0, 2  # Activation
# What the outputs of networks that find objects contain, by role.
CONTENTS = {
    "scores": "The probability of each class at each cell of all levels.",
    "boxes": "The box of each cell as dy, dx, dh, dw from its anchor.",
    "coefficients": "The weights of the prototypes at each cell.",
    "prototypes": "Their weighted sum is positive inside the mask of an object.",
    "objectness": "The logit of an object at each anchor of all levels.",
    "deltas": "The box of each anchor as dx, dy, dw, dh from it.",
}


def with_metadata(model: bytes, info: ModelInfo) -> bytes:
    """The .tflite file with TFLite Metadata added, for a model with one image input.

    Several outputs are named by `info.outputs`, their roles in the order of the file.
    The metadata do not contain the class names; they refer to the labels file that
    `ModelInfo.attach` appends to the model.
    """
    describe = HEAD_METADATA.get(info.head, METADATA.get(info.task))
    if describe is None:
        return model
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = content.subgraphs[0]
    sides = map(int, graph.tensors[graph.inputs[0]].shape)
    entry, buffer = schema.MetadataT(), schema.BufferT()
    buffer.data = np.frombuffer(describe(info, tuple(sides)), np.uint8)
    entry.name, entry.buffer = METADATA_NAME, len(content.buffers)
    content.buffers.append(buffer)
    content.metadata = [*(content.metadata or []), entry]
    builder = flatbuffers.Builder(len(model) + 4096)
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def segmenter_metadata(info: ModelInfo, shape: tuple[int, ...]) -> bytes:
    """ModelMetadata of a network for images of `shape`, whose last side is 1 or 3."""
    return packed(
        {
            0: "ImageSegmenter",
            1: "Predicts the class of each pixel.",
            3: [
                {  # SubGraphMetadata
                    2: [image_tensor(shape[-1])],
                    3: [output_tensor(info.head)],
                    9: [{0: "SEGMENTER_METADATA", 1: segmenter_options(info.head)}],
                }
            ],
            7: "1.5.0",  # minimum parser version: custom metadata
        },
        b"M001",
    )


def object_metadata(name: str, info: ModelInfo, shape: tuple[int, ...]) -> bytes:
    """ModelMetadata of a network whose outputs are decoded to objects.

    The outputs are described in the order of `info.outputs`. They are not those that
    MediaPipe's ObjectDetector reads: it would take four outputs for decoded boxes.
    """
    return packed(
        {
            0: name,
            1: "Finds objects; its outputs are decoded by the program that runs it.",
            3: [
                {  # SubGraphMetadata
                    2: [image_tensor(shape[-1])],
                    3: [role_tensor(role) for role in info.outputs],
                }
            ],
            7: "1.0.0",  # minimum parser version
        },
        b"M001",
    )


def role_tensor(role: str) -> Table:
    """TensorMetadata of an output by its role; the labels file names the classes."""
    labels = {6: [{0: LABELS, 2: AXIS_LABELS}]} if role == "scores" else {}
    text = CONTENTS.get(role, "Features, for the other parts of the network.")
    return {0: role, 1: text, 3: {0: FEATURE, 1: {}}, **labels}


def output_tensor(head: str) -> Table:
    """TensorMetadata of the output; the labels file names its channels or values."""
    labels = head == "labels"
    return {
        0: head,
        1: "The class of each pixel." if labels else "A score for each class.",
        3: {0: FEATURE, 1: {}},
        6: [{0: LABELS, 2: VALUE_LABELS if labels else AXIS_LABELS}],
    }


def segmenter_options(head: str) -> bytes:
    """ImageSegmenterOptions: the activation that turns scores into probabilities."""
    return packed({0: SOFTMAX if head == "logits" else NONE, 1: "1.0.0"}, b"V001")


Describe = Callable[[ModelInfo, tuple[int, ...]], bytes]
# Task -> function of (info, shape of the input) that returns ModelMetadata.
METADATA: dict[str, Describe] = {
    "semantic": segmenter_metadata,
    "instance": partial(object_metadata, "Instance segmentation"),
    "detection": partial(object_metadata, "Object detection"),
}
# Head -> such a function, in place of its task's.
HEAD_METADATA: dict[str, Describe] = {"boxes": detector_metadata}

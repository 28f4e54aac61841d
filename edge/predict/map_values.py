"""The numbers of a semantic map: class ids, probabilities or logits."""

from __future__ import annotations

import numpy as np

from edge.core.errors import InputError
from edge.engines.base import TensorSpec
from edge.model_file.info import ModelInfo

MAX_CLASSES = 256
SEEN_LOGITS = "logits seen"  # a head: logits of one channel, from their values


def check_threshold(spec: TensorSpec, info: ModelInfo, layout: str) -> None:
    """Raises InputError for a threshold of a map without two classes' scores."""
    if info.head == "labels" or (spec.dtype.kind in "iu" and not spec.scale):
        raise InputError(
            "--threshold: has no effect on a model whose output is labels; leave it out"
        )
    classes = 2
    if len(spec.shape) == 4:
        classes = spec.shape[1 if layout == "NCHW" else 3]
    if classes > 2:
        raise InputError(
            f"--threshold: divides two classes, and the model has {classes}; leave it "
            "out"
        )


def channels_last(values: np.ndarray, layout: str) -> np.ndarray:
    """(C, h, w) of the layout NCHW -> (h, w, C); other arrays unchanged."""
    if layout == "NCHW" and values.ndim == 3:
        return values.transpose(1, 2, 0)
    return values


def to_labels(values: np.ndarray) -> np.ndarray:
    """Class ids of any type, (h, w) or (h, w, 1) -> (h, w) integers; -1 is void.

    Raises InputError for numbers that are no class ids.
    """
    values = values[..., 0] if values.ndim == 3 else values
    if values.dtype.kind == "f":
        values = np.rint(values).astype(np.int64)
    if values.dtype.itemsize > 1 and values.size:
        low, high = int(values.min()), int(values.max())
        if low < -1 or high >= MAX_CLASSES:
            raise InputError(
                f"the output has class ids from {low} to {high}, and they can be from "
                f"0 to {MAX_CLASSES - 1}"
            )
    return values


def head_of(scores: np.ndarray, head: str, name: str) -> str:
    """Whether (h, w, C) scores of an unknown kind are "probabilities" or "logits".

    Logits of one frame may all lie between 0 and 1, so scores that were once seen to be
    logits, the `head` so far, stay logits with one channel. Raises InputError for one
    channel of class ids.
    """
    low, high = float(scores.min()), float(scores.max())
    inside = -0.01 <= low and high <= 1.01
    if scores.shape[2] > 1:
        return "probabilities" if inside and sums_to_one(scores) else "logits"
    if 0 <= low and high >= 2 and np.array_equal(scores, np.rint(scores)):
        raise InputError(
            f"output {name} has whole numbers from {low:.0f} to {high:.0f} in floats, "
            "which may be class ids; export it with an output of integers"
        )
    return "probabilities" if inside and head != SEEN_LOGITS else SEEN_LOGITS


def sums_to_one(scores: np.ndarray) -> bool:
    """Whether the scores of each cell have the sum 1, with quantization's errors."""
    allowed = 0.02 + scores.shape[2] / 512
    return bool(np.abs(scores.sum(axis=2) - 1).max() <= allowed)


def over_threshold(plane: np.ndarray, threshold: float) -> np.ndarray:
    """(H, W) probabilities of class 1 -> (H, W) uint8 labels, 1 above the threshold."""
    return (plane > threshold).astype(np.uint8)


def check_numbers(scores: np.ndarray) -> None:
    """Raises InputError for scores that are not numbers."""
    if np.isnan(scores).any():
        raise InputError(
            "the output has scores that are not numbers; export the model again, in "
            "float32 if it is in half precision"
        )

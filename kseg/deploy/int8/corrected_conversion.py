"""Conversion to quantized .tflite files whose biases are corrected."""

from __future__ import annotations

import logging
import tempfile
from typing import Any, Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from kseg.core.names import corrects_biases
from kseg.deploy.conversion import tflite
from kseg.deploy.conversion.tflite import Calibration
from kseg.deploy.heads import Head
from kseg.deploy.int8.bias_correction import (
    ExactOperator,
    corrected,
    exact_operators,
)

log = logging.getLogger(__name__)

IMAGES = 32  # to 63 of the calibration images: means need fewer than ranges


def convert(
    model: keras.Model,
    scheme: str,
    size: tuple[int, int],
    head: Head,
    calibration: Calibration,
) -> bytes:
    """As `conversion.tflite.convert`, with corrected biases where weights are rounded.

    They stay as they are without calibration images.
    """
    content = tflite.convert(model, scheme, size, head, calibration)
    if not corrects_biases(scheme):
        return content
    exact = exact_network(model, scheme, size, head, calibration)
    return with_correction(content, exact, scheme)


def converter_for(bias_correction: bool) -> Callable[..., bytes]:
    """The function that converts networks, with corrected biases or as they are."""
    return convert if bias_correction else tflite.convert


def with_correction(content: bytes, exact: list[ExactOperator], scheme: str) -> bytes:
    """The quantized file with corrected biases; logs how many operators have them."""
    if not exact:
        return content
    result = corrected(content, exact)
    log.info(
        f"{scheme}: corrected the biases of {result.operators - result.missing} of "
        f"{result.operators} operators for the rounding of their weights"
    )
    return result.content


def exact_network(
    model: keras.Model,
    scheme: str,
    size: tuple[int, int],
    head: Head,
    calibration: Calibration,
) -> list[ExactOperator]:
    """The operators of the network in float, as the scheme converts it.

    Their means are those of calibration images; empty if there are none.
    """
    images = thinned(calibration(), IMAGES)
    if not images:
        return []
    network, dtype = model, tf.uint8

    def to_input(image: np.ndarray) -> np.ndarray:
        return image[None]

    if scheme == "int8":
        (network, to_input), dtype = tflite.int8_input(model, size), tf.float32
    with tflite.quiet(), tempfile.TemporaryDirectory() as folder:
        converter = tflite.converter_of(network, size, head, folder, dtype)
        content = tflite.convert_float32(converter)
        return exact_operators(content, map(to_input, images))


def thinned(items: Iterable[Any], least: int) -> list[Any]:
    """Evenly spaced items, `least` to 2 * `least` - 1 of them, or all if they are less.

    >>> thinned(range(9), 2), thinned(range(3), 4)
    ([0, 4, 8], [0, 1, 2])
    """
    kept: list[Any] = []
    step = 1
    for index, item in enumerate(items):
        if index % step:
            continue
        kept.append(item)
        if len(kept) == 2 * least:
            kept, step = kept[::2], 2 * step
    return kept

"""Post-training conversion to TFLite: static shapes, builtin operators only.

The scheme int8 is TensorFlow Lite's full-integer quantization (Jacob et al., 2018):
per-channel weights, and activation ranges measured on calibration images. Files of
every scheme take uint8 images; normalization is in the graph.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from edge.core.log import suppress_native_log
from edge.core.system import handle_signals, restore_signals
from kseg.deploy.conversion.folding import ZERO_POINT, without_normalization
from kseg.deploy.heads import Head, with_head

OpsSet = tf.lite.OpsSet
Calibration = Callable[[], Iterable[np.ndarray]]


def converter_of(
    model: keras.Model, size: tuple[int, int], head: Head, folder: str, dtype: Any
) -> tf.lite.TFLiteConverter:
    """A converter of the network for one static size and batch size 1.

    It converts a SavedModel: otherwise the variables of a Keras 3 model are not frozen.
    A free batch size would leave shape arithmetic in the graph, which GPUs reject.
    """
    run = with_head(model, head)
    signature = tf.TensorSpec((1, *size, model.input_shape[-1]), dtype, name="image")
    return converter_of_function(
        model, lambda image: run(tf.cast(image, tf.float32)), [signature], folder
    )


def converter_of_function(
    model: keras.Model, run: Callable[..., Any], signature: list[Any], folder: str
) -> tf.lite.TFLiteConverter:
    """A converter of a function that uses the variables of `model`."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", run, input_signature=signature)
    archive.write_out(folder, verbose=False)
    return tf.lite.TFLiteConverter.from_saved_model(folder)


def convert(
    model: keras.Model,
    scheme: str,
    size: tuple[int, int],
    head: Head,
    calibration: Calibration,
) -> bytes:
    """The network as a .tflite file: (1, H, W, C) uint8 -> the outputs of `head`.

    `scheme` is a key of SCHEMES; `calibration` yields (H, W, C) uint8 images of `size`.
    """
    with quiet(), tempfile.TemporaryDirectory() as folder:
        return SCHEMES[scheme](model, size, head, folder, calibration)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses a converter's log and warnings, and defers Ctrl-C."""
    with interrupt_afterwards(), suppress_native_log(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with no_root_handler():
            yield


@contextmanager
def no_root_handler() -> Iterator[None]:
    """Keeps TensorFlow's `logging.basicConfig` from printing all logs to stderr."""
    root, guard = logging.getLogger(), logging.NullHandler()
    root.addHandler(guard)
    try:
        yield
    finally:
        root.removeHandler(guard)


@contextmanager
def interrupt_afterwards() -> Iterator[None]:
    """Defers Ctrl-C, which would be lost if raised in a callback of the converter."""
    pressed: list[int] = []
    previous = handle_signals(lambda number, _: pressed.append(number), "SIGINT")
    try:
        yield
    finally:
        restore_signals(previous)
        if pressed:
            raise KeyboardInterrupt


def to_float32(model, size, head, folder, calibration) -> bytes:
    return convert_float32(converter_of(model, size, head, folder, tf.uint8))


def convert_float32(converter: tf.lite.TFLiteConverter) -> bytes:
    converter.target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def to_float16(model, size, head, folder, calibration) -> bytes:
    return convert_float16(converter_of(model, size, head, folder, tf.uint8))


def convert_float16(converter: tf.lite.TFLiteConverter) -> bytes:
    """float16 weights; engines without float16 kernels convert them when loading."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def to_dynamic(model, size, head, folder, calibration) -> bytes:
    """int8 weights; each activation is quantized at run time by its current range."""
    converter = converter_of(model, size, head, folder, tf.uint8)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def to_int8(model, size, head, folder, calibration: Calibration) -> bytes:
    return int8_converter(model, size, head, folder, calibration).convert()


def int8_input(
    model: keras.Model, size: tuple[int, int]
) -> tuple[keras.Model, Callable[[np.ndarray], np.ndarray]]:
    """The network that int8 converts, and a function from an image to its input.

    (H, W, C) uint8 -> (1, H, W, C) float32. Where it can, the network takes the image
    minus 128, scaled, in place of the image.
    """
    network, scale, zero_point = model, 1.0, 0
    if (folded := without_normalization(model, size)) is not None:
        (network, scale), zero_point = folded, ZERO_POINT

    def to_input(image: np.ndarray) -> np.ndarray:
        return (image[None].astype(np.float32) - zero_point) * np.float32(scale)

    return network, to_input


def int8_converter(
    model: keras.Model,
    size: tuple[int, int],
    head: Head,
    folder: str,
    calibration: Calibration,
) -> tf.lite.TFLiteConverter:
    """A converter to full-integer int8."""
    network, to_input = int8_input(model, size)

    def representative() -> Iterable[list[np.ndarray]]:
        for index, image in enumerate(calibration()):
            if index == 0:
                # The input range must be 0..255, so that uint8 needs no rescaling and
                # int8 is x - 128.
                image = image.copy()
                image[0, 0], image[-1, -1] = 0, 255
            yield [to_input(image)]

    converter = converter_of(network, size, head, folder, tf.float32)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    return converter


def to_int16x8(model, size, head, folder, calibration: Calibration) -> bytes:
    """int16 activations, int8 weights.

    Scores are converted to float for argmax, which has no int16 kernel. The uint8 input
    is cast: the converter supports nothing else.
    """

    def representative() -> Iterable[list[np.ndarray]]:
        for image in calibration():
            yield [image[None]]

    converter = converter_of(model, size, head, folder, tf.uint8)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [
        OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        OpsSet.TFLITE_BUILTINS,
    ]
    return converter.convert()


SCHEMES = {
    "float32": to_float32,
    "float16": to_float16,
    "dynamic": to_dynamic,
    "int8": to_int8,
    "int16x8": to_int16x8,
}

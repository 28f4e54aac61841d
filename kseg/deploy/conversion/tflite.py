"""Post-training conversion to TFLite: static shapes, builtin operators only.

The scheme of int8 is TensorFlow Lite's full-integer quantization (Jacob et al., 2018):
weights per channel, activations by the ranges that calibration images show. Every
scheme takes uint8 images, normalisation being in the graph.
"""

from __future__ import annotations

import tempfile
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from edge.core.log import suppress_native_log
from edge.core.system import handle_signals, restore_signals
from kseg.deploy.conversion.folding import CENTRE, without_normalization
from kseg.deploy.heads import Head, with_head

OpsSet = tf.lite.OpsSet
Calibration = Callable[[], Iterable[np.ndarray]]


def converter_of(
    model: keras.Model, size: tuple[int, int], head: Head, folder: str, dtype: Any
) -> tf.lite.TFLiteConverter:
    """A converter of the network at one static size, batch 1.

    It goes by a SavedModel: a Keras 3 model's variables stay unfrozen otherwise, and a
    free batch size leaves shape arithmetic in the graph that GPUs refuse.
    """
    run = with_head(model, head)
    signature = tf.TensorSpec((1, *size, model.input_shape[-1]), dtype, name="image")
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda image: run(tf.cast(image, tf.float32)),
        input_signature=[signature],
    )
    archive.write_out(folder, verbose=False)
    return tf.lite.TFLiteConverter.from_saved_model(folder)


def convert(
    model: keras.Model,
    scheme: str,
    size: tuple[int, int],
    head: Head,
    calibration: Calibration,
) -> bytes:
    """The network as a .tflite file: uint8 (1, H, W, C) in, what `head` makes of its
    outputs out.

    `scheme` is a key of SCHEMES; `calibration` yields uint8 (H, W, C) images at `size`.
    """
    with quiet(), tempfile.TemporaryDirectory() as folder:
        return SCHEMES[scheme](model, size, head, folder, calibration)


@contextmanager
def quiet() -> Iterator[None]:
    """A converter's own log held back, its warnings too; Ctrl-C put off."""
    with interrupt_afterwards(), suppress_native_log(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def interrupt_afterwards() -> Iterator[None]:
    """Puts Ctrl-C off: raised inside a callback of the converter it would be lost."""
    pressed: list[int] = []
    previous = handle_signals(lambda number, _: pressed.append(number), "SIGINT")
    try:
        yield
    finally:
        restore_signals(previous)
        if pressed:
            raise KeyboardInterrupt


def to_float32(model, size, head, folder, calibration) -> bytes:
    converter = converter_of(model, size, head, folder, tf.uint8)
    converter.target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def to_float16(model, size, head, folder, calibration) -> bytes:
    """Weights of half the size; engines without such kernels enlarge them at load."""
    converter = converter_of(model, size, head, folder, tf.uint8)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def to_dynamic(model, size, head, folder, calibration) -> bytes:
    """int8 weights; activations are rounded as they come, each by its own range."""
    converter = converter_of(model, size, head, folder, tf.uint8)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def to_int8(model, size, head, folder, calibration: Calibration) -> bytes:
    return int8_converter(model, size, head, folder, calibration).convert()


def int8_converter(
    model: keras.Model,
    size: tuple[int, int],
    head: Head,
    folder: str,
    calibration: Calibration,
) -> tf.lite.TFLiteConverter:
    """A converter to whole numbers from end to end."""
    network, scale, centre = model, 1.0, 0
    if (without := without_normalization(model, size)) is not None:
        (network, scale), centre = without, CENTRE

    def representative() -> Iterable[list[np.ndarray]]:
        for index, image in enumerate(calibration()):
            image = image.astype(np.float32)
            if index == 0:
                # The input's range must be that of all bytes: they then go in as they
                # are, and int8 is x - 128.
                image[0, 0], image[-1, -1] = 0.0, 255.0
            yield [(image[None] - centre) * np.float32(scale)]

    converter = converter_of(network, size, head, folder, tf.float32)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    return converter


def to_int16x8(model, size, head, folder, calibration: Calibration) -> bytes:
    """int16 activations, int8 weights; the scores are floats again for argmax, which
    has no int16 kernel. Bytes go in, by a cast: the converter knows no other way."""

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

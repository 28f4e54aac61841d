"""An int8 file whose worst layers stay in float, until it keeps what the network knew.

The selection is the converter's own: TFLite's quantization debugger takes a list of
operators to leave alone and puts QUANTIZE and DEQUANTIZE around them.
"""

from __future__ import annotations

import logging
import re
import tempfile
from typing import Callable, Iterator, Sequence

import keras
import tensorflow as tf
from tensorflow.lite.python.util import modify_model_io_type

from edge.core.errors import InputError
from kseg.deploy.conversion.tflite import Calibration, int8_converter, quiet
from kseg.deploy.heads import Head
from kseg.deploy.int8.sensitivity import FusedOp

log = logging.getLogger(__name__)


class SelectiveInt8:
    """Converts to int8 with any layers left in float. Calibration happens once."""

    def __init__(
        self,
        model: keras.Model,
        size: tuple[int, int],
        head: Head,
        calibration: Calibration,
    ):
        with quiet(), tempfile.TemporaryDirectory() as folder:
            converter = int8_converter(model, size, head, folder, calibration)
            self._debugger = tf.lite.experimental.QuantizationDebugger(
                converter=converter, debug_dataset=converter.representative_dataset
            )
        self._outputs = operator_outputs(self._debugger.calibrated_model)

    def convert(self, spots: Sequence[FusedOp]) -> bytes:
        """uint8 in, as `tflite.to_int8`, but for the operators of `spots`."""
        layers = [layer for spot in spots for layer in spot.layers]
        nodes = [name for name in self._outputs if made_by(name, layers)]
        with quiet():
            self._debugger.options = tf.lite.experimental.QuantizationDebugOptions(
                denylisted_nodes=nodes
            )
            content = self._debugger.get_nondebug_quantized_model()
            for kind in (tf.uint8, tf.float32):  # the last layer may be a float one
                try:
                    return modify_model_io_type(content, tf.uint8, kind)
                except ValueError:
                    continue
        raise InputError("--mend: the input cannot be bytes with these layers in float")


def operator_outputs(content: bytes) -> list[str]:
    """The name of each operator's first output, by which the debugger knows it."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    names = {t["index"]: t["name"] for t in interpreter.get_tensor_details()}
    operators = interpreter._get_ops_details()
    return [names[operator["outputs"][0]] for operator in operators]


def made_by(name: str, layers: Sequence[str]) -> bool:
    """Whether a tensor was made by one of the layers.

    TensorFlow names it by the paths of all operations folded into it, and numbers a
    layer that was called before.

    >>> made_by("unet_1/up1_relu_1/Relu;unet_1/up1_conv_1/convolution", ["up1_conv"])
    True
    >>> made_by("unet_1/up1_conv_1/convolution", ["up1"])
    False
    """
    scopes = {scope for path in name.split(";") for scope in path.split("/")[:-1]}
    bare = scopes | {re.sub(r"_\d+$", "", scope) for scope in scopes}
    return any(layer in bare for layer in layers)


def mixed_precision(
    selective: SelectiveInt8,
    worst: Sequence[FusedOp],
    drop_of: Callable[[bytes], float],
    max_drop: float,
) -> tuple[bytes, list[FusedOp], float]:
    """The first file with the fewest tried layers in float that holds `max_drop`.

    `worst` in falling order of what int8 costs there; 1, 2, 4, ... of them are tried.
    Returns its content, those layers and its drop of mean IoU; where none holds, that
    of the last.
    """
    for count in doubling(len(worst)):
        content = selective.convert(worst[:count])
        drop = drop_of(content)
        names = ", ".join(str(spot) for spot in worst[:count][:4])
        more = ", ..." if count > 4 else ""
        log.info(
            f"{count} of {len(worst)} layers in float ({names}{more}): drop {drop:.4f}"
        )
        if drop <= max_drop:
            break
    return content, list(worst[:count]), drop


def doubling(most: int) -> Iterator[int]:
    """1, 2, 4, ... and at last `most`.

    >>> list(doubling(11))
    [1, 2, 4, 8, 11]
    """
    count = 1
    while count < most:
        yield count
        count *= 2
    yield most

"""Mixed precision: an int8 file whose most sensitive layers stay in float.

TFLite's quantization debugger does the conversion: it accepts a list of operators to
skip and puts DEQUANTIZE and QUANTIZE around them.
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
from kseg.deploy.int8.bias_correction import corrected
from kseg.deploy.int8.corrected_conversion import exact_network
from kseg.deploy.int8.sensitivity import FusedOp

log = logging.getLogger(__name__)


class SelectiveInt8:
    """Converts to int8 with selected layers in float; calibrates once."""

    def __init__(
        self,
        model: keras.Model,
        size: tuple[int, int],
        head: Head,
        calibration: Calibration,
        bias_correction: bool = False,
    ):
        with quiet(), tempfile.TemporaryDirectory() as folder:
            converter = int8_converter(model, size, head, folder, calibration)
            self._debugger = tf.lite.experimental.QuantizationDebugger(
                converter=converter, debug_dataset=converter.representative_dataset
            )
        self._outputs = operator_outputs(self._debugger.calibrated_model)
        arguments = (model, "int8", size, head, calibration)
        self._exact = exact_network(*arguments) if bias_correction else []

    def convert(self, ops: Sequence[FusedOp]) -> bytes:
        """As `tflite.to_int8`, with the operators `ops` in float but for the first.

        Raises InputError if the input cannot be uint8 then.
        """
        layers = [layer for op in ops for layer in op.layers]
        nodes = [name for name in self._outputs if is_output(name, layers)]
        with quiet():
            self._debugger.options = tf.lite.experimental.QuantizationDebugOptions(
                denylisted_nodes=nodes
            )
            content = self._debugger.get_nondebug_quantized_model()
            for kind in (tf.uint8, tf.float32):  # float32 if the last layer is in float
                try:
                    content = modify_model_io_type(content, tf.uint8, kind)
                except ValueError:
                    continue
                return corrected(content, self._exact).content
        raise InputError(
            "--mixed-precision: the input cannot be uint8 with these layers in float"
        )


def operator_outputs(content: bytes) -> list[str]:
    """The name of each operator's first output, which identifies it in the debugger.

    Operators that read the image are left out. In float they would take a float image,
    already normalized, while the metadata say that the file takes bytes.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    names = {t["index"]: t["name"] for t in interpreter.get_tensor_details()}
    image = {t["index"] for t in interpreter.get_input_details()}
    operators = interpreter._get_ops_details()
    return [names[x["outputs"][0]] for x in operators if not image & {*x["inputs"]}]


def is_output(name: str, layers: Sequence[str]) -> bool:
    """Whether a tensor is the output of one of the layers.

    TensorFlow joins the paths of all operations fused into it, and appends a number to
    a layer that is called again.

    >>> is_output("unet_1/up1_relu_1/Relu;unet_1/up1_conv_1/convolution", ["up1_conv"])
    True
    >>> is_output("unet_1/up1_conv_1/convolution", ["up1"])
    False
    """
    scopes = {scope for path in name.split(";") for scope in path.split("/")[:-1]}
    bare = scopes | {re.sub(r"_\d+$", "", scope) for scope in scopes}
    return any(layer in bare for layer in layers)


def mixed_precision(
    selective: SelectiveInt8,
    ranked: Sequence[FusedOp],
    drop_of: Callable[[bytes], float],
    max_drop: float,
) -> tuple[bytes, list[FusedOp], float]:
    """Moves layers to float until the drop is at most `max_drop`.

    `ranked` has the most sensitive operator first; the first 1, 2, 4, ... of them are
    tried. Returns the content of the first file within `max_drop`, or of the last one,
    its operators in float, and its drop of the headline metric.
    """
    for count in doubling(len(ranked)):
        content = selective.convert(ranked[:count])
        drop = drop_of(content)
        names = ", ".join(str(op) for op in ranked[:count][:4])
        more = ", ..." if count > 4 else ""
        log.info(
            f"{count} of {len(ranked)} layers in float ({names}{more}): drop {drop:.4f}"
        )
        if drop <= max_drop:
            break
    return content, list(ranked[:count]), drop


def doubling(largest: int) -> Iterator[int]:
    """1, 2, 4, ... and finally `largest`.

    >>> list(doubling(11))
    [1, 2, 4, 8, 11]
    """
    count = 1
    while count < largest:
        yield count
        count *= 2
    yield largest

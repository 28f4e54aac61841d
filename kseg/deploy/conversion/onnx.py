"""Conversion to ONNX, for ONNX Runtime and for TensorRT on a Jetson, by tf2onnx.

What TensorRT asks for decides the form (its operator reference, and the documentation
of DataType.UINT8, both of 8.5 to 10):

- a uint8 input, from 8.5 on, may feed nothing but a Cast to float, so the Cast comes
  first and normalisation, padding and the one transpose from NHWC behind it;
- a uint8 output may come from float alone, so class ids go from ArgMax by float32;
- a nearest Resize of tf_half_pixel_for_nn with floor is refused; by a whole factor
  asymmetric with floor picks the same pixels and is taken;
- shapes are static.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf

from edge.core.errors import InputError
from edge.model_file.info import INFO_NAME, ModelInfo
from kseg.deploy.conversion.tflite import quiet
from kseg.deploy.heads import with_head

OPSET = 17  # TensorRT 8.6, of JetPack 6, knows it; 8.5, of JetPack 5, all that we use
ASYMMETRIC = {
    "coordinate_transformation_mode": "asymmetric",
    "mode": "nearest",
    "nearest_mode": "floor",
}


def convert(
    model: keras.Model, size: tuple[int, int], head: str, info: ModelInfo
) -> bytes:
    """The network as an .onnx file with `info` among its metadata.

    `image` uint8 (1, H, W, C) in; out comes what `head` names: uint8 (1, H, W) labels,
    float32 (1, H, W, C) logits or probabilities. Raises InputError where a package is
    missing.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise InputError(f"ONNX needs {error.name}: pip install -e '.[onnx]'") from None
    scores = with_head(model, "logits" if head == "labels" else head)

    def run(image: Any) -> Any:
        given = scores(tf.cast(image, tf.float32))
        if head == "labels":
            ids = tf.argmax(given, axis=-1, output_type=tf.int32)
            given = tf.cast(tf.cast(ids, tf.float32), tf.uint8)
        return tf.identity(given, name=head)

    signature = tf.TensorSpec((1, *size, model.input_shape[-1]), tf.uint8, "image")
    with quiet():
        proto, _ = tf2onnx.convert.from_function(
            tf.function(run), [signature], opset=OPSET
        )
    name_output(proto.graph, head)
    for node in proto.graph.node:
        if node.op_type == "Resize":
            pick_whole_steps(onnx, node)
    text = json.dumps(asdict(info))
    onnx.helper.set_model_props(proto, {INFO_NAME: text})
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


def operators_in(content: bytes) -> int:
    """How many an .onnx file has."""
    import onnx

    return len(onnx.load_model_from_string(content).graph.node)


def name_output(graph: Any, name: str) -> None:
    """Gives the one output a name that says what it is."""
    (output,) = graph.output
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [name if given == output.name else given for given in names]
    output.name = name


def pick_whole_steps(onnx: Any, node: Any) -> None:
    """Makes a nearest Resize one that TensorRT takes: kseg's are by whole factors."""
    kept = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if kept["mode"] != b"nearest":
        return
    del node.attribute[:]
    node.attribute.extend(
        onnx.helper.make_attribute(key, value) for key, value in ASYMMETRIC.items()
    )

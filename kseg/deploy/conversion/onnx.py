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

from dataclasses import replace
from typing import Any, Sequence

import keras
import tensorflow as tf

from edge.core.errors import InputError
from edge.model_file.info import INFO_NAME, ModelInfo
from kseg.deploy.conversion.tflite import quiet
from kseg.deploy.heads import HEADS, ONNX_HEADS, with_head

OPSET = 17  # TensorRT 8.6, of JetPack 6, knows it; 8.5, of JetPack 5, all that we use
ASYMMETRIC = {
    "coordinate_transformation_mode": "asymmetric",
    "mode": "nearest",
    "nearest_mode": "floor",
}


def convert(model: keras.Model, size: tuple[int, int], info: ModelInfo) -> bytes:
    """The network as an .onnx file with `info` among its metadata.

    `image` uint8 (1, H, W, C) in; out comes what `info.head` names, under that name, or
    several outputs under the names of their roles. Raises InputError where a package is
    missing.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise InputError(f"ONNX needs {error.name}: pip install -e '.[onnx]'") from None
    special = ONNX_HEADS.get(info.task, {})
    network = with_head(model, special.get(info.head) or HEADS[info.task][info.head])
    names: list[str] = []

    def run(image: Any) -> Any:
        given = network(tf.cast(image, tf.float32))
        by_role = given if isinstance(given, dict) else {info.head: given}
        names[:] = by_role
        return [tf.identity(value, name=name) for name, value in by_role.items()]

    signature = tf.TensorSpec((1, *size, model.input_shape[-1]), tf.uint8, "image")
    with quiet():
        proto, _ = tf2onnx.convert.from_function(
            tf.function(run), [signature], opset=OPSET
        )
    name_outputs(proto.graph, names)
    for node in proto.graph.node:
        if node.op_type == "Resize":
            pick_whole_steps(onnx, node)
    text = replace(info, outputs=tuple(names)).to_json()
    onnx.helper.set_model_props(proto, {INFO_NAME: text})
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


def operators_in(content: bytes) -> int:
    """How many an .onnx file has."""
    import onnx

    return len(onnx.load_model_from_string(content).graph.node)


def name_outputs(graph: Any, names: Sequence[str]) -> None:
    """Gives the outputs names that say what they are, in their order."""
    for output, name in zip(graph.output, names, strict=True):
        for node in graph.node:
            for given in (node.input, node.output):
                given[:] = [name if each == output.name else each for each in given]
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

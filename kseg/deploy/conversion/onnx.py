"""Conversion to ONNX, for ONNX Runtime and for TensorRT on a Jetson, by tf2onnx.

The form of the graph follows the requirements of TensorRT 8.5 to 10 (its operator
reference and the documentation of DataType.UINT8):

- a uint8 input (8.5 and later) may only feed a Cast to float, so the Cast comes first,
  followed by normalization, padding and the one transpose from NHWC;
- a uint8 output must be cast from float, so class ids are cast from ArgMax by float32;
- a nearest Resize with tf_half_pixel_for_nn and floor is rejected; for integer factors,
  asymmetric with floor selects the same pixels and is accepted;
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
from kseg.deploy.heads import ONNX_HEADS, heads_of, with_head

OPSET = 17  # TensorRT 8.6 (JetPack 6); 8.5 (JetPack 5) supports every operator used
ASYMMETRIC = {
    "coordinate_transformation_mode": "asymmetric",
    "mode": "nearest",
    "nearest_mode": "floor",
}


def convert(model: keras.Model, size: tuple[int, int], info: ModelInfo) -> bytes:
    """The network as an .onnx file with `info` in its metadata properties.

    The input is `image`, (1, H, W, C) uint8. The output is that of the head `info.head`
    and has its name; several outputs are named by their roles. Raises InputError if a
    package is missing.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise InputError(
            f"export to ONNX needs {error.name}: pip install -e '.[onnx]'"
        ) from None
    special = ONNX_HEADS.get(info.task, {})
    network = with_head(model, special.get(info.head) or heads_of(info)[info.head])
    names: list[str] = []

    def run(image: Any) -> Any:
        outputs = network(tf.cast(image, tf.float32))
        by_role = outputs if isinstance(outputs, dict) else {info.head: outputs}
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
            use_asymmetric(onnx, node)
    text = replace(info, outputs=tuple(names)).to_json()
    onnx.helper.set_model_props(proto, {INFO_NAME: text})
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


def operators_in(content: bytes) -> int:
    """The number of operators in an .onnx file."""
    import onnx

    return len(onnx.load_model_from_string(content).graph.node)


def name_outputs(graph: Any, names: Sequence[str]) -> None:
    """Renames the outputs, in their order."""
    for output, name in zip(graph.output, names, strict=True):
        for node in graph.node:
            for names_of in (node.input, node.output):
                names_of[:] = [name if x == output.name else x for x in names_of]
        output.name = name


def use_asymmetric(onnx: Any, node: Any) -> None:
    """Makes a nearest Resize acceptable to TensorRT; all factors are integers."""
    kept = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if kept["mode"] != b"nearest":
        return
    del node.attribute[:]
    node.attribute.extend(
        onnx.helper.make_attribute(key, value) for key, value in ASYMMETRIC.items()
    )

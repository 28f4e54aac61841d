"""Small .onnx files with the signatures of models that other people publish."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
helper, kind = onnx.helper, onnx.TensorProto

RED, GREEN, BLUE = np.uint8([[255, 0, 0], [0, 255, 0], [0, 0, 255]])
# 16x16: red above, green below on the left, blue below on the right.
PICTURE = np.zeros((16, 16, 3), np.uint8)
PICTURE[:8], PICTURE[8:, :8], PICTURE[8:, 8:] = RED, GREEN, BLUE


def save(
    path: Path,
    nodes: list[Any],
    given: dict[str, tuple[Any, ...]],
    made: dict[str, tuple[Any, ...]],
    constants: dict[str, np.ndarray] | None = None,
    notes: dict[str, str] | None = None,
    inner: dict[str, tuple[Any, ...]] | None = None,
) -> Path:
    """An .onnx file. `given`, `made` and `inner` are name -> (type, *shape)."""
    infos = [
        [helper.make_tensor_value_info(k, v[0], v[1:]) for k, v in each.items()]
        for each in (given, made, inner or {})
    ]
    tensors = [onnx.numpy_helper.from_array(v, k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(
        nodes, "graph", infos[0], infos[1], tensors, value_info=infos[2]
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    helper.set_model_props(model, notes or {})
    onnx.save(model, path)
    return path


def node(name: str, given: str, made: str, **options: Any) -> Any:
    return helper.make_node(name, given.split(), made.split(), **options)


def score_map(
    path: Path,
    stride: int = 1,
    end: str = "",
    size: tuple[Any, Any] = (16, 16),
    weights: Any = None,
    **options: Any,
) -> Path:
    """Channels first: the scores are the channels times `weights` (C, 3), by default
    one class for each channel, at 1/stride of the size. `end` is the last operator."""
    weights = np.eye(3) if weights is None else np.asarray(weights)
    count = len(weights)
    small = [side // stride if isinstance(side, int) else f"{side}8" for side in size]
    nodes = [
        node(
            "AveragePool", "image", "p", kernel_shape=[stride] * 2, strides=[stride] * 2
        ),
        node("Conv", "p w", "logits"),
    ]
    made: dict[str, tuple[Any, ...]] = {"logits": (kind.FLOAT, 1, count, *small)}
    inner = {}
    if end:
        inner, made = made, {"out": (kind.FLOAT, 1, count, *small)}
        nodes.append(node(end, "logits", "out", **options))
    if end == "ArgMax":
        channels = [1] if options.get("keepdims") else []
        made = {"out": (kind.INT64, 1, *channels, *small)}
    kernel = np.float32(weights).reshape(count, 3, 1, 1)
    given = {"image": (kind.FLOAT, 1, 3, *size)}
    return save(path, nodes, given, made, {"w": kernel}, inner=inner)


def constant_outputs(
    path: Path, arrays: dict[str, np.ndarray], size: tuple[int, int], **options: Any
) -> Path:
    """A file whose outputs are `arrays`, whatever the image."""
    nodes = [
        node("ReduceMean", "image", "mean", keepdims=0),
        node("Mul", "mean zero", "none"),
    ]
    constants = {"zero": np.float32(0)}
    for name, array in arrays.items():
        nodes.append(node("Add", f"c_{name} none", name))
        constants[f"c_{name}"] = np.float32(array)[None]
    made = {name: (kind.FLOAT, 1, *array.shape) for name, array in arrays.items()}
    given = {"image": (kind.FLOAT, 1, 3, *size)}
    return save(path, nodes, given, made, constants, **options)

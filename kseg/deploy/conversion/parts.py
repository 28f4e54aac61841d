"""Conversion of the part of a network that follows the one with the image."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any, Sequence

import keras
import tensorflow as tf

from kseg.deploy.conversion.tflite import (
    convert_float16,
    convert_float32,
    converter_of_function,
    quiet,
)

# Scheme -> conversion; there are no others, as the coordinates of boxes need float.
SCHEMES = {"float32": convert_float32, "float16": convert_float16}


@dataclass(frozen=True)
class Part:
    """A part of a network: `model` takes a list of tensors and returns a dict by role.

    `inputs` are their roles, `shapes` their shapes with the batch of 1, and `dtypes`
    their types, in the order of the model's inputs.
    """

    model: keras.Model
    inputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]


def convert_part(part: Part, scheme: str) -> bytes:
    """A part as a .tflite file of static shapes; `scheme` is a key of SCHEMES."""

    def run(tensors: dict[str, Any]) -> dict[str, Any]:
        return part.model([tensors[role] for role in part.inputs], training=False)

    described = zip(part.inputs, part.shapes, part.dtypes, strict=True)
    signature = {
        role: tf.TensorSpec(shape, dtype, name=role) for role, shape, dtype in described
    }
    with quiet(), tempfile.TemporaryDirectory() as folder:
        return SCHEMES[scheme](
            converter_of_function(part.model, run, [signature], folder)
        )


def signature_roles(content: bytes) -> tuple[Sequence[str], Sequence[str]]:
    """The roles of the inputs and outputs of a .tflite file, in the file's order.

    They are the names of its signature; converters keep these, but not the order.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    runner = interpreter.get_signature_runner()
    files = interpreter.get_input_details(), interpreter.get_output_details()
    named = runner.get_input_details(), runner.get_output_details()
    found = []
    for details, by_role in zip(files, named, strict=True):
        roles = {each["index"]: role for role, each in by_role.items()}
        found.append(tuple(roles[each["index"]] for each in details))
    return found[0], found[1]

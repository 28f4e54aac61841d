"""Assigns roles to the outputs of an exported file by running it once.

Converters keep neither the order nor the names of a network's outputs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from edge.core.errors import InputError
from edge.engines.base import Output
from edge.engines.select import open_engine
from edge.predict.base import Predictor


def roles_of(path: Path, reference: Predictor) -> tuple[str, ...]:
    """The role of each output of a .tflite file, in the file's order.

    `reference` is the network in Keras with the same head. Raises InputError for an
    output that matches none of the network's.
    """
    expected = reference.engine.outputs
    if len(expected) == 1:
        return (reference.info.head,)
    engine = open_engine(path, trial=False)
    shape = (*engine.size, engine.channels)
    image = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    found, known = engine(image), list(reference.engine(image))
    roles = []
    for output in found:
        distances = [distance(output, each) for each in known]
        nearest = int(np.argmin(distances)) if distances else -1
        if nearest < 0 or not np.isfinite(distances[nearest]):
            raise InputError(
                f"{path}: output {output.spec.name} {list(output.spec.shape)} matches "
                "none of the network's outputs; leave its scheme out of --quantize"
            )
        roles.append(known.pop(nearest).spec.name)
    return tuple(roles)


def roles_of_content(content: bytes, reference: Predictor) -> tuple[str, ...]:
    """As `roles_of`, for a .tflite file given by its content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        return roles_of(path, reference)


def distance(found: Output, expected: Output) -> float:
    """Root mean square difference of two outputs, relative to the expected deviation.

    Infinite for different shapes.
    """
    a, b = found.dequantize(), expected.dequantize()
    if a.shape != b.shape:
        return np.inf
    difference = a.astype(np.float64) - b
    return float(np.sqrt(np.mean(difference**2)) / (np.std(b) + 1e-6))

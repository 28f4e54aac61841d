"""One line on how a model made by others is read: what is given and what is assumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

from edge.core.images import format_size
from edge.engines.image_input import ASSUMED
from edge.model_file.reading import Reading, kept_path
from edge.predict.base import Predictor

HEADS = {"labels": "class ids", "raw": "objects", "probabilities": "probabilities"}


def assumptions(
    predictor: Predictor, reading: Reading, path: Path, kept: bool = True
) -> str:
    """How a file is read, in one line, with the options that change it.

    Parts that were assumed are marked as such. `kept` tells whether the options are
    kept beside the file.
    """
    parts = [*input_parts(predictor.engine, reading), *output_parts(predictor, reading)]
    line = f"{path.name} has no kseg.json and is read as: {'; '.join(parts)}"
    if any(reading.given()) and kept:
        line += f" (options are kept in {kept_path(path).name})"
    return line


def input_parts(engine: Any, reading: Reading) -> List[str]:
    """The input: its size, the order and layout of its channels, its numbers."""
    if not hasattr(engine, "image"):
        return []
    image = engine.image
    size = format_size(image.size)
    free = size_is_free(engine) and not reading.input_size
    parts = [f"input {size}{' (assumed, --input-size)' if free else ''}"]
    if image.channels == 1:
        order = "grey"
    else:
        order = f"{image.order}{'' if reading.order else ' (assumed, --order)'}"
    parts.append(f"{order}, {image.layout}")
    assumed = image.source == ASSUMED and not image.as_stored
    parts.append(image.describe() + (" (assumed, --normalize)" if assumed else ""))
    return parts


def size_is_free(engine: Any) -> bool:
    """Whether the file leaves the size of its input open."""
    return bool(getattr(engine, "free_size", False))


def output_parts(predictor: Predictor, reading: Reading) -> List[str]:
    """The output that is used, how it is read, and where the names come from."""
    info, engine = predictor.info, predictor.engine
    used = [i for i, role in enumerate(info.outputs) if role != "unused"]
    names = ", ".join(
        f"{engine.outputs[i].name} {list(engine.outputs[i].shape)}" for i in used
    )
    unused = len(info.outputs) - len(used)
    text = f"output {names} as {HEADS.get(info.head, 'scores')}"
    if unused and not reading.output_name:
        text += f" ({unused} other{'s' if unused > 1 else ''} ignored, --output-name)"
    parts = [text]
    if predictor.info.decoder.get("threshold") is not None:
        parts.append(f"threshold {info.decoder['threshold']:g}")
    source = info.decoder.get("names_are")
    if source:
        changes = "" if reading.classes else " (--classes)"
        parts.append(f"classes are {source}{changes}")
    return parts

"""Semantic maps of models made by others: which output it is, and how it is stored.

A file of kseg describes its outputs. Of other files only names, shapes, types and the
graph tell: channels may be last or first, numbers may be class ids, probabilities or
logits, and there may be outputs that only training needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

from edge.core.errors import InputError, shortened
from edge.engines.base import Engine, TensorSpec
from edge.model_file.class_lists import GUESSED_MAPS
from edge.model_file.info import ModelInfo, known_names, made_by_others
from edge.model_file.last_operator import LABELS, Meaning, meanings
from edge.model_file.naming import named
from edge.model_file.reading import NOTHING, Reading
from edge.predict.map_values import MAX_CLASSES
from edge.predict.semantic import SemanticPredictor

COARSEST = 64  # input pixels for each cell of a map
LARGEST = 4  # cells for each input pixel
TASK, UNUSED = "semantic", "unused"
PLAIN, FIRST, LAST = "", "NCHW", "NHWC"  # layouts of a map; one without channels


@dataclass(frozen=True)
class Map:
    """An output as a map: its index, layout, and number of classes or channels.

    `channels` is 0 for a map without them, -1 if they are free.
    """

    index: int
    layout: str
    channels: int


def map_predictor(engine: Engine, info: ModelInfo) -> Optional[SemanticPredictor]:
    """The predictor of a model made by others whose output is a map of classes.

    None for a file that kseg describes. Raises InputError if no output is a map, or the
    user's names do not fit it.
    """
    if not made_by_others(info):
        return None
    reading = getattr(engine, "reading", NOTHING)
    found = find_maps(engine.outputs, engine.size, layout_of_input(engine))
    chosen = choose(engine.outputs, found, reading)
    meaning = meaning_of(engine, chosen.index)
    labels = is_labels(engine.outputs[chosen.index], chosen, meaning)
    count = meaning.classes if labels else max(chosen.channels, 2)
    count = None if chosen.channels == -1 else count
    naming = named(reading, known_names(info), count, GUESSED_MAPS)
    role = LABELS if labels else meaning.kind or "logits"
    roles = [UNUSED] * len(engine.outputs)
    roles[chosen.index] = role
    decoder = {
        **info.decoder,
        "layout": chosen.layout,
        "known": bool(meaning.kind),
        "guessed_names": naming.guessed,
        "names_are": naming.source,
    }
    if reading.threshold is not None:
        decoder["threshold"] = reading.threshold
    described = replace(
        info,
        class_names=naming.names,
        colors=naming.colors,
        head=role,
        outputs=tuple(roles),
        decoder=decoder,
    )
    return SemanticPredictor(engine, described)


def layout_of_input(engine: Any) -> str:
    """NHWC or NCHW, that of the engine's input."""
    return getattr(getattr(engine, "image", None), "layout", LAST)


def meaning_of(engine: Any, index: int) -> Meaning:
    """What an output of a file holds, as far as its graph tells."""
    path: Optional[Path] = getattr(engine, "path", None)
    found = meanings(path) if path is not None else []
    return found[index] if len(found) == len(engine.outputs) else Meaning()


def is_labels(spec: TensorSpec, found: Map, meaning: Meaning) -> bool:
    """Whether a map holds class ids."""
    if meaning.kind == LABELS:
        return True
    integers = spec.dtype.kind in "iub" and not spec.scale
    return integers and found.channels in (0, 1)


def find_maps(
    outputs: Sequence[TensorSpec], size: Optional[Tuple[int, int]], layout: str
) -> List[Map]:
    """The outputs that can be maps of an input of `size`, in the order of the file."""
    found = (as_map(index, spec, size, layout) for index, spec in enumerate(outputs))
    return [each for each in found if each]


def as_map(
    index: int, spec: TensorSpec, size: Optional[Tuple[int, int]], layout: str
) -> Optional[Map]:
    """An output as a map, None if it cannot be one.

    Its sides have the aspect ratio of the input. Where channels can be last and first,
    they are as in the input.

    >>> import numpy as np
    >>> spec = TensorSpec("", (1, 19, 64, 128), np.dtype("f4"))
    >>> as_map(0, spec, (512, 1024), "NHWC")
    Map(index=0, layout='NCHW', channels=19)
    """
    shape = spec.shape
    if spec.dtype.kind not in "iufb" or len(shape) not in (3, 4):
        return None
    if shape[0] not in (1, -1) or 0 in shape:
        return None
    if len(shape) == 3:
        return Map(index, PLAIN, 0) if covers(shape[1:], size) else None
    others = {LAST: (shape[1:3], shape[3]), FIRST: (shape[2:], shape[1])}
    for each in sorted(others, key=lambda name: name != layout):
        sides, channels = others[each]
        if channels <= MAX_CLASSES and covers(sides, size):
            return Map(index, each, channels)
    return None


def covers(sides: Sequence[int], size: Optional[Tuple[int, int]]) -> bool:
    """Whether a map of (height, width) cells covers an input of `size`.

    Free sides do, and all do if the input has any size.
    """
    if size is None or min(sides) < 1:
        return True
    (rows, columns), (height, width) = sides, size
    if min(sides) == 1 < min(size):  # of a classifier
        return False
    if not height <= rows * COARSEST <= height * COARSEST * LARGEST:
        return False
    # One cell more or less, as networks round up or down.
    return abs(rows - columns * height / width) <= max(1.0, height / width)


def choose(outputs: Sequence[TensorSpec], found: List[Map], reading: Reading) -> Map:
    """The map that is shown: the one that the user names, else the first.

    A map of one channel comes after others, as some networks also return edges. Raises
    InputError if there is none.
    """
    if reading.output_name:
        index = named_output(outputs, reading.output_name)
        for each in found:
            if each.index == index:
                return each
        raise InputError(
            f"--output-name {reading.output_name}: is {list(outputs[index].shape)}, "
            f"and no map of classes; the outputs are {listed(outputs)}"
        )
    if not found:
        many = any(max(spec.shape[1:], default=0) > MAX_CLASSES for spec in outputs)
        hint = f" of at most {MAX_CLASSES} classes" if many else ""
        raise InputError(
            f"no semantic map{hint} among the outputs {listed(outputs)}; is it a "
            "segmentation model?"
        )
    return min(found, key=lambda each: each.channels == 1)


def named_output(outputs: Sequence[TensorSpec], name: str) -> int:
    """The index of an output by its name, or by its number from 0."""
    names = [spec.name for spec in outputs]
    if name in names:
        return names.index(name)
    if name.isdecimal() and int(name) < len(names):
        return int(name)
    raise InputError(
        f"--output-name {shortened(name)}: is no output; they are {listed(outputs)}"
    )


def listed(outputs: Sequence[TensorSpec]) -> str:
    """Outputs for a message: names, types and shapes."""
    parts = (f"{shortened(x.name, 40)} {x.dtype} {list(x.shape)}" for x in outputs[:8])
    more = f" and {len(outputs) - 8} more" if len(outputs) > 8 else ""
    return ", ".join(parts) + more

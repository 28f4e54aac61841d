"""Export of networks in several files: between them, `edge` chooses boxes.

The file of the scheme takes the image. Its other parts are beside it, such as
`float32.heads.tflite` of `float32.tflite`; see edge.engines.parts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import keras

from edge.core.files import atomic_write
from edge.model_file.info import ModelInfo
from kseg.core.names import PARTS
from kseg.deploy.conversion.parts import Part, convert_part, signature_roles

if TYPE_CHECKING:
    from kseg.deploy.export import TrainedRun

HEADS, MASKS = PARTS
# Boxes that a part takes at a time: it runs as often as there are such groups. Of
# proposals there are always many, of objects few.
HEAD_BOXES, MASK_BOXES = 100, 8
Size = tuple[int, int]


@dataclass(frozen=True)
class Parted:
    """A network in parts: `first`, from the image to a dict by role, and the others.

    `decoder` is what the decoder of the files has besides that of the network.
    """

    first: keras.Model
    decoder: dict[str, Any]
    others: dict[str, Part] = field(default_factory=dict)


def region_parts(model: keras.Model, size: Size) -> Parted:
    """The parts of `rpn`, `faster_rcnn` or `mask_rcnn`, for images of `size`."""
    names = {layer.name for layer in model.layers}
    proposals = model.get_layer("proposals")
    _, objectness, deltas, *_ = proposals.input
    first = {"objectness": objectness, "deltas": deltas}
    before, after = proposals.counts
    decoder = {
        "kind": "region_files",
        "strides": list(proposals.strides),
        "anchor_scale": proposals.scale,
        "ratios": list(proposals.ratios),
        "before": before,
        "after": after,
        "proposal_nms": proposals.nms,
    }
    if "objects" not in names:
        return Parted(keras.Model(model.input, first), decoder)
    found, features = model.get_layer("objects"), model.get_layer("box_features")
    keys = ("candidates", "least", "count")
    decoder |= {key: getattr(found, key) for key in keys}
    decoder["object_nms"] = found.nms
    _, *levels = features.input
    roles = [f"level{stride}" for stride in features.strides]
    whole = keras.Model(
        model.input, first | dict(zip(roles, levels, strict=True)), name=model.name
    )
    shapes = level_shapes(whole, size, roles)
    others = {HEADS: box_part(found, shapes, min(HEAD_BOXES, after), levels)}
    if "masks" in names:
        others[MASKS] = mask_part(model, shapes, levels)
    return Parted(whole, decoder, others)


def level_shapes(
    first: keras.Model, size: Size, roles: list[str]
) -> dict[str, tuple[int, ...]]:
    """Role -> the shape (1, h, w, C) of the features of images of `size`."""
    image = keras.KerasTensor((1, *size, first.input_shape[-1]), "float32")
    outputs = first.compute_output_spec(image)
    return {role: tuple(outputs[role].shape) for role in roles}


def box_part(
    found: keras.layers.Layer,
    shapes: dict[str, tuple[int, ...]],
    count: int,
    levels: list[Any],
) -> Part:
    """`boxes` (1, count, 4) and features -> `class_logits` and `box_deltas`.

    `found` is the layer that makes objects of them.
    """
    _, logits, deltas, regions, _ = found.input
    outputs = {"class_logits": logits, "box_deltas": deltas}
    return Part(
        keras.Model([regions, *levels], outputs),
        ("boxes", *shapes),
        ((1, count, 4), *shapes.values()),
        ("float32",) * (1 + len(shapes)),
    )


def mask_part(
    model: keras.Model, shapes: dict[str, tuple[int, ...]], levels: list[Any]
) -> Part:
    """`boxes` (1, N, 4), `class_ids` (1, N) and features -> `masks` (1, N, h, w)."""
    boxes = model.get_layer("mask_features").input[0]
    _, class_ids = model.get_layer("masks").input
    return Part(
        keras.Model(
            [boxes, class_ids, *levels], {MASKS: model.get_layer(MASKS).output}
        ),
        ("boxes", "class_ids", *shapes),
        ((1, MASK_BOXES, 4), (1, MASK_BOXES), *shapes.values()),
        ("float32", "int32", *["float32"] * len(shapes)),
    )


# Kind of decoder -> function of the network and the size of images.
PARTED: dict[str, Callable[[keras.Model, Size], Parted]] = {"regions": region_parts}


def write_parts(path: Path, scheme: str, source: TrainedRun) -> None:
    """Writes the network of a run as `path` and its other parts, in a float scheme."""
    from kseg.deploy.conversion.tflite import convert
    from kseg.deploy.tflite_metadata import with_metadata

    kind = source.info.decoder["kind"]
    parted = PARTED[kind](source.network, source.size)
    first = convert(parted.first, scheme, source.size, dict, lambda: ())
    export = hashlib.sha256(first).hexdigest()[:16]  # the same in all parts
    names = {role: f"{path.stem}.{role}{path.suffix}" for role in parted.others}
    for role, part in parted.others.items():
        content = convert_part(part, scheme)
        inputs, outputs = signature_roles(content)
        decoder = {"part": role, "part_of": path.name, "export": export}
        decoder["inputs"] = list(inputs)
        info = replace(source.info, outputs=outputs, decoder=decoder)
        write(path.with_name(names[role]), content, info)
    decoder = source.info.decoder | parted.decoder
    decoder |= {"parts": names, "export": export}
    info = replace(source.info, outputs=signature_roles(first)[1], decoder=decoder)
    write(path, with_metadata(first, info), info)


def write(path: Path, content: bytes, info: ModelInfo) -> None:
    """Writes a file with its description and logs what devices do not support."""
    from kseg.deploy.lint.rules import log_warnings

    with atomic_write(path) as part:
        part.write_bytes(content)
        info.attach(part)
        log_warnings(part, path.name)

"""`ModelInfo`: class names, colours, and the input that a network expects."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Sequence, Tuple

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import quoted
from edge.core.files import json_text

INFO_NAME = "kseg.json"
BY_SHAPE = "by_shape"  # entry of `ModelInfo.decoder` of models made by others
LABELS = "labels.txt"  # one name per line, as in TFLite Metadata

Color = Tuple[int, int, int]


# Attribute -> key of kseg.json, where they differ. Files keep these keys.
KEYS = {
    "class_names": "names",
    "white_level": "white",
    "min_input": "least",
    "input_step": "step",
    "valid_border": "border",
}


@dataclass(frozen=True)
class InputGeometry:
    """Which image and input sizes a network accepts, in pixels.

    `minimum` is the smallest side of an image. A network of valid convolutions accepts
    input sides of `min_input` + k * `input_step`, and its output is smaller than its
    input by `valid_border` on each side. The defaults describe a network that accepts
    any size.
    """

    minimum: int = 1
    min_input: int = 1
    input_step: int = 1
    valid_border: int = 0

    def smallest_input(self, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest input size whose output covers an image of `size`.

        >>> geometry = InputGeometry(min_input=188, input_step=16, valid_border=92)
        >>> geometry.smallest_input((388, 389))
        (572, 588)
        """
        missing = (side + 2 * self.valid_border - self.min_input for side in size)
        steps = (max(0, -(-pixels // self.input_step)) for pixels in missing)
        height, width = (self.min_input + count * self.input_step for count in steps)
        return height, width


@dataclass(frozen=True)
class ModelInfo:
    """The metadata of a model: everything beyond the tensors that its use needs.

    `task` is "semantic" or another task that `edge.predict` supports. `colors` are RGB;
    classes in black are not drawn. `outputs` are the roles of the file's outputs in
    file order, empty for a single output. `decoder` holds the parameters that turn the
    outputs into a result. `resize` is how an image is fitted to a fixed input size:
    "fit" keeps its aspect ratio and pads below and to the right, "stretch" does not
    keep it. `max_side` limits the longer side of the input of a network that accepts
    any size. `white_level` is the value of 16-bit images that means white. A network of
    valid convolutions predicts in tiles.
    """

    class_names: tuple[str, ...]
    colors: tuple[Color, ...]
    task: str = "semantic"
    head: str = "logits"
    outputs: tuple[str, ...] = ()
    decoder: dict[str, Any] = field(default_factory=dict)
    geometry: InputGeometry = InputGeometry()
    resize: str = "fit"
    ignore_index: int = IGNORE_INDEX
    max_side: int = 1024
    white_level: float = 255.0
    run: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The content of kseg.json; the geometry's keys are at its top level."""
        content = asdict(self)
        content.update(content.pop("geometry"))
        return json_text({KEYS.get(k, k): v for k, v in content.items()}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> ModelInfo:
        """Read the content of kseg.json; unknown keys are ignored.

        Raises ValueError, KeyError or TypeError if it is invalid.
        """
        content = json.loads(text)
        known = select_fields(cls, content)
        known["geometry"] = InputGeometry(**select_fields(InputGeometry, content))
        known["class_names"] = tuple(content["names"])
        known["colors"] = tuple(tuple(color) for color in content["colors"])
        known["outputs"] = tuple(known.get("outputs", ()))
        if len(known["class_names"]) != len(known["colors"]):
            raise ValueError("it has different numbers of names and colours")
        result = cls(**known)
        check_types(result)
        return result

    def attach(self, path: Path) -> None:
        """Append kseg.json and the list of class names to a model file."""
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(INFO_NAME, self.to_json())
            archive.writestr(LABELS, "\n".join(self.class_names) + "\n")


def check_types(info: ModelInfo) -> None:
    """Raises TypeError or ValueError for values that would fail at their use."""
    texts = (info.task, info.head, info.resize, *info.class_names, *info.outputs)
    numbers = [getattr(info.geometry, each.name) for each in fields(InputGeometry)]
    for kind, values in (
        (str, texts),
        (dict, (info.decoder,)),
        (int, (*numbers, info.max_side)),
        ((int, float), (info.white_level,)),
    ):
        for value in values:
            if not isinstance(value, kind):
                raise TypeError(f"unexpected value {quoted(value)}")
    for color in info.colors:
        bytes(color)  # integers from 0 to 255
        if len(color) != 3:
            raise ValueError(f"the colour {quoted(list(color))} has not three numbers")


def select_fields(cls: type, content: dict[str, Any]) -> dict[str, Any]:
    """The entries of kseg.json that are fields of the dataclass `cls`, by attribute."""
    attributes = {KEYS.get(f.name, f.name): f.name for f in fields(cls)}
    return {attributes[k]: v for k, v in content.items() if k in attributes}


def class_name(info: ModelInfo, index: int) -> str:
    """The name of a class, or "class 3" for one that the model does not name.

    >>> info = ModelInfo(class_names=("dog",), colors=((0, 0, 1),))
    >>> class_name(info, 0), class_name(info, 3)
    ('dog', 'class 3')
    """
    names = info.class_names
    return names[index] if index < len(names) else f"class {index}"


def distinct(names: Sequence[str]) -> list[str]:
    """Names of which each is there once: results are told apart by them.

    Label files have ??? for each id that is not used, for example.

    >>> distinct(["???", "person", "???", ""])
    ['???', 'person', '??? (2)', 'class 3']
    """
    found: list[str] = []
    for index, name in enumerate(names):
        name = name or f"class {index}"
        while name in found:
            name = f"{name} ({index})"
        found.append(name)
    return found


def unknown_model(names: Sequence[str] = ()) -> ModelInfo:
    """Defaults for a model without metadata: numbered classes, images stretched.

    `names` are the names of its first classes, where they are known; they are made
    `distinct`. Its outputs are understood by their shapes.
    """
    names = distinct(names)
    return ModelInfo(
        class_names=(*names, *(f"class {i}" for i in range(len(names), 256))),
        colors=palette(256),
        resize="stretch",
        decoder={BY_SHAPE: True},
    )


def made_by_others(info: ModelInfo) -> bool:
    """Whether a file has no description of kseg, so that shapes must tell."""
    return info.decoder.get(BY_SHAPE) is True


def known_names(info: ModelInfo) -> tuple[str, ...]:
    """The class names that a file without a description has, without the numbers.

    >>> known_names(unknown_model(["sea", "bird"])), known_names(unknown_model())
    (('sea', 'bird'), ())
    """
    names = list(info.class_names)
    while names and names[-1] == f"class {len(names) - 1}":
        names.pop()
    return tuple(names)

"""`ModelInfo`: class names, colours, and how to feed a network."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Sequence, Tuple

from edge.core.constants import IGNORE_INDEX, palette

INFO_NAME = "kseg.json"
LABELS = "labels.txt"  # a name a line, as others write it too


Color = Tuple[int, int, int]


@dataclass(frozen=True)
class InputGeometry:
    """Which sizes a network takes, in pixels.

    `minimum` is the smallest side of an image. Of valid convolutions, the input's sides
    are `least` + k * `step` and the output lacks `border` on each side; 1, 1 and 0 of
    all others, which take any size.
    """

    minimum: int = 1
    least: int = 1
    step: int = 1
    border: int = 0

    def covering(self, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest input that the network needs to see all of an image of `size`.

        >>> InputGeometry(least=188, step=16, border=92).covering((388, 389))
        (572, 588)
        """
        missing = (side + 2 * self.border - self.least for side in size)
        steps = (max(0, -(-pixels // self.step)) for pixels in missing)
        height, width = (self.least + count * self.step for count in steps)
        return height, width


@dataclass(frozen=True)
class ModelInfo:
    """Everything beyond the tensors that someone needs to use a model.

    `task` says what it is for: semantic, or another word that `edge.predict` knows.
    `colors` are RGB; black is drawn as nothing. `outputs` are the roles of the file's
    outputs in its own order, none where there is one. `decoder` holds what turning them
    into a result needs. `resize` says how an image is brought to a fixed input: "fit"
    keeps its aspect and pads below and to the right, "stretch" does not keep it.
    `max_side` bounds what a network of free size is given. `white` is the value of
    16-bit images that means white. A network of valid convolutions works in tiles.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    task: str = "semantic"
    head: str = "logits"
    outputs: tuple[str, ...] = ()
    decoder: dict[str, Any] = field(default_factory=dict)
    geometry: InputGeometry = InputGeometry()
    resize: str = "fit"
    ignore_index: int = IGNORE_INDEX
    max_side: int = 1024
    white: float = 255.0
    run: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of kseg.json; the geometry's keys stand among the others."""
        content = asdict(self)
        sides = content.pop("geometry")
        return json.dumps({**content, **sides}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> ModelInfo:
        """What kseg.json says; keys of other versions are left out.

        Raises ValueError, KeyError or TypeError where it cannot be understood.
        """
        content = json.loads(text)
        sides = InputGeometry.__dataclass_fields__
        known = {k: v for k, v in content.items() if k in cls.__dataclass_fields__}
        known["geometry"] = InputGeometry(
            **{key: value for key, value in content.items() if key in sides}
        )
        known["names"] = tuple(known["names"])
        known["colors"] = tuple(tuple(color) for color in known["colors"])
        known["outputs"] = tuple(known.get("outputs", ()))
        if len(known["names"]) != len(known["colors"]):
            raise ValueError("it has not as many colors as names")
        return cls(**known)

    def attach(self, path: Path) -> None:
        """Adds this and the list of names to a model file."""
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(INFO_NAME, self.to_json())
            archive.writestr(LABELS, "\n".join(self.names) + "\n")


def unknown_model(names: Sequence[str] = ()) -> ModelInfo:
    """What is assumed of a model that says at most names: numbers, stretching."""
    return ModelInfo(
        names=(*names, *(f"class {i}" for i in range(len(names), 256))),
        colors=palette(256),
        resize="stretch",
    )

"""`ModelInfo`: class names, colours, and how to feed a network."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Sequence

from edge.core.constants import IGNORE_INDEX, palette

INFO_NAME = "kseg.json"
LABELS = "labels.txt"  # a name a line, as others write it too


@dataclass(frozen=True)
class ModelInfo:
    """Everything beyond the tensors that someone needs to use a model.

    `colors` are RGB; black is drawn as nothing. `resize` says how a picture is brought
    to a fixed input: "fit" keeps its aspect and pads below and to the right, "stretch"
    does not keep it. `max_side` bounds what a network of free size is given. `minimum`
    is the smallest side in pixels that a picture may have. `white` is the value of
    16-bit pictures that means white. A network of valid convolutions takes sides of
    `least` + k * `step` pixels and gives `border` fewer on each side; the picture is
    done in tiles.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    head: str = "logits"
    resize: str = "fit"
    ignore_index: int = IGNORE_INDEX
    minimum: int = 1
    max_side: int = 1024
    white: float = 255.0
    least: int = 1
    step: int = 1
    border: int = 0
    run: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    def covering(self, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest input that the network needs to see all of a picture of `size`.

        >>> ModelInfo((), (), least=188, step=16, border=92).covering((388, 389))
        (572, 588)
        """
        missing = (side + 2 * self.border - self.least for side in size)
        steps = (max(0, -(-pixels // self.step)) for pixels in missing)
        height, width = (self.least + count * self.step for count in steps)
        return height, width

    def attach(self, path: Path) -> None:
        """Adds this and the list of names to a model file."""
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(INFO_NAME, json.dumps(asdict(self), indent=1))
            archive.writestr(LABELS, "\n".join(self.names) + "\n")


def unknown_model(names: Sequence[str] = ()) -> ModelInfo:
    """What is assumed of a model that says at most names: numbers, stretching."""
    return ModelInfo(
        names=(*names, *(f"class {i}" for i in range(len(names), 256))),
        colors=palette(256),
        resize="stretch",
    )


@dataclass(frozen=True)
class InputGeometry:
    """Which sizes a network takes, in pixels.

    `minimum` is the smallest side of a picture. Of valid convolutions, the input's
    sides are `least` + k * `step` and the output lacks `border` on each side; 1, 1 and
    0 of all others, which take any size.
    """

    minimum: int = 1
    least: int = 1
    step: int = 1
    border: int = 0

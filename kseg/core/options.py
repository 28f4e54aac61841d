"""Options of commands: a field of a dataclass with its help and type."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any, NewType, Optional

from edge.predict.tta import FULL_SIZE_TILE, TTA
from kseg.core.names import GROUPING_NAMES

Size = tuple[int, int]
Output = NewType("Output", str)  # a file to write, - for stdout, or empty for neither
File = NewType("File", str)  # a file to write, or empty
Share = NewType("Share", float)  # from 0 to 1
Scales = NewType("Scales", tuple)  # of floats over 0


DATA_HELP = "a data folder, or shapes (procedural scenes that need no file)"
SEGMENTS_HELP = "of a grouping: at most how many, 2 to 254; default 100"
MODEL_HELP = (
    "a run folder, .keras, .tflite or .onnx; or grouping:KIND, which needs no "
    f"training, KIND being {', '.join(GROUPING_NAMES)}"
)


def option(default: Any, text: str, **extra: Any) -> Any:
    """A field that becomes --its-name."""
    return field(default=default, metadata={"help": text, **extra})


def positional(text: str, default: Any = MISSING, **extra: Any) -> Any:
    """A field given by its place; one with a default may be left out."""
    return field(default=default, metadata={"help": text, "positional": True, **extra})


@dataclass(frozen=True, kw_only=True)
class PassesConfig:
    """How a picture is looked at: options of evaluate and predict."""

    full_size: bool = option(
        False,
        "at the pictures' own size, whatever the run's --max-side: large ones in tiles",
    )
    tile: Optional[Size] = option(
        None,
        "largest piece at once, overlapping the next; implies --full-size; default "
        f"{FULL_SIZE_TILE[0]}x{FULL_SIZE_TILE[1]}, or a .tflite's own size",
    )
    flip: bool = option(False, "average with the mirrored picture")
    scales: Scales = option(
        (1.0,), "average over these sizes, with commas between: 0.75,1,1.25"
    )

    @property
    def tta(self) -> TTA:
        return TTA(self.full_size, self.flip, self.scales, self.tile)


def flag(name: str) -> str:
    """A field's name as it is typed.

    >>> flag("batch_size")
    '--batch-size'
    """
    return f"--{name.replace('_', '-')}"

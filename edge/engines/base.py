"""What an engine takes and gives: tensors, their scales, and the choices of engines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.core.errors import InputError
from edge.model_file.flatbuffer import Normalization

Engine = Any


@dataclass(frozen=True)
class EngineChoice:
    """An engine by name, its threads, and the delegate or provider that it is given."""

    engine: str
    package: str
    threads: int
    delegate: Optional[str] = None
    drivers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.engine} with {self.delegate}" if self.delegate else self.engine


@dataclass(frozen=True)
class TrialResult:
    """What came of a trial: the time of a run once warm, or why there is none.

    `broke` tells an engine that ended or hung from one that refused in words.
    """

    millis: Optional[float] = None
    said: str = ""
    broke: bool = False

    @property
    def works(self) -> bool:
        return self.millis is not None


INPUT_TYPES = tuple(map(np.dtype, (np.uint8, np.int8, np.int16, np.float16, "f4")))
MOST_CLASSES = 256
LONGEST = 160  # characters of an interpreter's complaint
SYMMETRIC = ((127.5,), (127.5,))  # bytes to -1..1, where a model does not say


@dataclass(frozen=True)
class Tensor:
    """One input or output. `scale` 0 says that its values are not quantized."""

    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float = 0.0
    zero_point: int = 0


class Tensors:
    """The image that a network takes and the map that it gives.

    Raises InputError for a network that is not one from images to maps. Of several
    outputs the first map counts; `index` says which that is.
    """

    def __init__(
        self,
        path: Path,
        image: Tensor,
        outputs: Sequence[Tensor],
        normalization: Optional[Normalization] = None,
    ):
        shape = image.shape
        if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
            raise InputError(
                f"{path}: takes {list(shape)}; a model of images takes "
                "[1, height, width, 1 or 3]"
            )
        if min(shape) < 1:
            raise InputError(f"{path}: its input has no fixed size; export it with one")
        if image.dtype not in INPUT_TYPES:
            raise InputError(f"{path}: takes {image.dtype}, no type of images")
        maps = [i for i, o in enumerate(outputs) if is_map(o)]
        if not maps:
            shapes = [list(o.shape) for o in outputs]
            raise InputError(
                f"{path}: gives {shapes}, no map; is it a segmentation model?"
            )
        self.index, self.image, self.map = maps[0], image, outputs[maps[0]]
        if len(self.map.shape) == 4 and self.map.shape[3] > MOST_CLASSES:
            raise InputError(f"{path}: gives over {MOST_CLASSES} classes")
        self.size = (shape[1], shape[2])
        self.channels = shape[3]
        self._mean, self._deviation = (
            np.float32(values if len(values) in (1, self.channels) else default)
            for values, default in zip(normalization or SYMMETRIC, SYMMETRIC)
        )

    @property
    def wants_floats(self) -> bool:
        return self.image.dtype.kind == "f"

    def blank(self) -> np.ndarray:
        """A picture (h, w, channels) uint8 of nothing, to try a network with."""
        return np.zeros((*self.size, self.channels), np.uint8)

    def encode(self, image: np.ndarray) -> np.ndarray:
        """(h, w, C) uint8 -> (1, h, w, C) of the input's type.

        Bytes go as they are, int8 less 128; floats, and int16 by its scale, as the
        model says, else -1..1.
        """
        if self.image.dtype == np.uint8:
            return image[None]
        if self.image.dtype == np.int8:
            return (image ^ 0x80).view(np.int8)[None]
        values = (image - self._mean) / self._deviation
        if self.image.dtype == np.int16:
            values = np.rint(values / (self.image.scale or 1 / 32767))
        return values.astype(self.image.dtype)[None]

    def decode(self, output: np.ndarray) -> np.ndarray:
        """(h, w[, C]) as the network gives it -> labels (h, w) or float32 scores.

        Integers without a scale are labels. One channel of scores is a sigmoid: the
        probability of class 1.
        """
        if output.dtype.kind in "iu" and not self.map.scale:
            return output[..., 0] if output.ndim == 3 else output
        if self.map.scale:
            zero_point = np.float32(self.map.zero_point)
            output = np.subtract(output, zero_point, dtype=np.float32)
            output *= np.float32(self.map.scale)
        if output.ndim == 2:
            output = output[..., None]
        if output.shape[2] == 1:
            return np.concatenate([1 - output, output], axis=2)
        return output


def is_map(tensor: Tensor) -> bool:
    """Whether an output is [1, h, w] or [1, h, w, C], of numbers."""
    shape = tensor.shape
    numbers = tensor.dtype.kind in "iuf"
    return numbers and len(shape) in (3, 4) and shape[0] == 1 and min(shape) > 0


def one_line(error: Any) -> str:
    """The beginning of an interpreter's complaint, in whole words.

    >>> one_line(ValueError("Mmap of '8' failed.\\nOn the device"))
    "Mmap of '8' failed."
    """
    line = str(error).strip().partition("\n")[0]
    if len(line) > LONGEST:
        words = line[:LONGEST].rpartition(" ")[0]
        line = f"{words if len(words) > LONGEST / 2 else line[:LONGEST]} …"
    return line or type(error).__name__

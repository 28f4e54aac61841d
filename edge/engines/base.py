"""What an engine takes and gives: an image in, every output of the file out.

An engine runs a file and does not know what the numbers mean: `edge.predict` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Optional, Protocol

import numpy as np

from edge.core.errors import InputError
from edge.model_file.flatbuffer import Normalization


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
LONGEST = 160  # characters of an interpreter's complaint
SYMMETRIC = ((127.5,), (127.5,))  # bytes to -1..1, where a model does not say


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a file.

    `shape` counts the batch; a side that is free has length -1. `scale` 0 says that
    values are not quantized.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float = 0.0
    zero_point: int = 0

    def dequantize(self, values: np.ndarray) -> np.ndarray:
        """float32 of values of this tensor where it has a scale, else unchanged."""
        if not self.scale:
            return values
        result = np.subtract(values, np.float32(self.zero_point), dtype=np.float32)
        result *= np.float32(self.scale)
        return result


class Output(NamedTuple):
    """What a file gave in one of its outputs, without the batch, as it is stored."""

    raw: np.ndarray
    spec: TensorSpec

    def dequantize(self, rows: Optional[np.ndarray] = None) -> np.ndarray:
        """float32 where the tensor has a scale; of some `rows` alone, if given."""
        return self.spec.dequantize(self.raw if rows is None else self.raw[rows])


class Engine(Protocol):
    """Runs a model: TFLite, its GPU delegate, ONNX Runtime, Keras, a grouping.

    `size` is the (height, width) that it takes, None for any. `accelerator` names what
    runs the operators beside the CPU, "" for nothing; `share` is its part of them,
    None where that is not known. `threads` None leaves their number to the library.
    """

    name: str
    threads: Optional[int]
    accelerator: str
    share: Optional[float]
    first_millis: Optional[float]
    size: Optional[tuple[int, int]]
    channels: int
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]

    def blank(self) -> np.ndarray:
        """An image (h, w, channels) uint8 of zeros that the engine takes."""
        ...

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        """(h, w, channels) uint8 -> every output, in the order of `outputs`."""
        ...


class ImageInput:
    """The image that a file takes: its size, its type, how bytes become its values.

    Raises InputError for a file that does not take one image of a fixed size.
    """

    def __init__(
        self,
        path: Path,
        spec: TensorSpec,
        normalization: Optional[Normalization] = None,
    ):
        shape = spec.shape
        if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
            raise InputError(
                f"{path}: takes {list(shape)}; a model of images takes "
                "[1, height, width, 1 or 3]"
            )
        if min(shape) < 1:
            raise InputError(f"{path}: its input has no fixed size; export it with one")
        if spec.dtype not in INPUT_TYPES:
            raise InputError(f"{path}: takes {spec.dtype}, no type of images")
        self.spec = spec
        self.size = (shape[1], shape[2])
        self.channels = shape[3]
        self._mean, self._deviation = (
            np.float32(values if len(values) in (1, self.channels) else default)
            for values, default in zip(normalization or SYMMETRIC, SYMMETRIC)
        )

    def encode(self, image: np.ndarray) -> np.ndarray:
        """(h, w, C) uint8 -> (1, h, w, C) of the input's type.

        Bytes go as they are, int8 less 128; floats, and int16 by its scale, as the
        model says, else -1..1.
        """
        if self.spec.dtype == np.uint8:
            return image[None]
        if self.spec.dtype == np.int8:
            return (image ^ 0x80).view(np.int8)[None]
        values = (image - self._mean) / self._deviation
        if self.spec.dtype == np.int16:
            values = np.rint(values / (self.spec.scale or 1 / 32767))
        return values.astype(self.spec.dtype)[None]


class FileEngine:
    """What the engines of files share: what `Engine` says of input and outputs."""

    name = ""

    def __init__(self, path: Path, threads: int):
        self.path = path
        self.threads: Optional[int] = threads
        self.accelerator = ""
        self.share: Optional[float] = None
        self.first_millis: Optional[float] = None

    def describe(self, image: ImageInput, outputs: tuple[TensorSpec, ...]) -> None:
        """Takes over what a loaded file says of its tensors."""
        self.image, self.outputs = image, outputs
        self.input = image.spec
        self.size: Optional[tuple[int, int]] = image.size
        self.channels = image.channels

    def blank(self) -> np.ndarray:
        """An image (h, w, channels) uint8 of zeros, to try a network with."""
        return np.zeros((*self.image.size, self.channels), np.uint8)


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

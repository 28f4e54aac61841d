"""The interface of engines: an image in, all outputs of the model file out.

An engine runs a file; `edge.predict` interprets the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Optional, Protocol

import numpy as np

from edge.model_file.reading import NOTHING, Reading


@dataclass(frozen=True)
class EngineChoice:
    """An engine by name, its package, its threads, and its delegate or provider."""

    engine: str
    package: str
    threads: int
    delegate: Optional[str] = None
    drivers: tuple[str, ...] = ()
    input_size: Optional[tuple[int, int]] = None  # of an input without a fixed size

    def __str__(self) -> str:
        return f"{self.engine} with {self.delegate}" if self.delegate else self.engine


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial: the time of a run after warm-up, or why it failed.

    `crashed` is True if the process crashed or did not end, False if the engine
    reported an error.
    """

    millis: Optional[float] = None
    message: str = ""
    crashed: bool = False

    @property
    def works(self) -> bool:
        return self.millis is not None

    def to_record(self) -> dict[str, Any]:
        """The entry of proven.json."""
        return {"millis": self.millis, "said": self.message, "broke": self.crashed}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> TrialResult:
        """Read an entry of proven.json. Raises KeyError or TypeError if invalid."""
        return cls(record["millis"], record["said"], record["broke"])


MAX_MESSAGE = 160  # characters of an interpreter's error message


@dataclass(frozen=True)
class TensorSpec:
    """One input or output tensor of a file.

    `shape` includes the batch; free sides are -1. `scale` is 0 if values are not
    quantized.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float = 0.0
    zero_point: int = 0

    def dequantize(self, values: np.ndarray) -> np.ndarray:
        """Dequantize values of this tensor to float32; unchanged if it has no scale."""
        if not self.scale:
            return values
        result = np.subtract(values, np.float32(self.zero_point), dtype=np.float32)
        result *= np.float32(self.scale)
        return result


class Output(NamedTuple):
    """One output of a file, without the batch, as stored (quantized or not)."""

    raw: np.ndarray
    spec: TensorSpec

    def dequantize(self, rows: Optional[np.ndarray] = None) -> np.ndarray:
        """The output, or its `rows`, as float32; unchanged if it has no scale."""
        return self.spec.dequantize(self.raw if rows is None else self.raw[rows])


class Engine(Protocol):
    """Runs a model: TFLite, its GPU delegate, ONNX Runtime, Keras, a grouping.

    `size` is the input size (height, width), None for any. `accelerator` names what
    runs operators besides the CPU, "" if nothing does; `share` is its share of the
    operators in [0, 1], None if unknown. `threads` is None if the library chooses.
    `first_millis` is the duration of the first run.
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
        """An image (h, w, channels) uint8 of zeros of a valid input size."""
        ...

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        """(h, w, channels) uint8 -> all outputs, in the order of `outputs`."""
        ...


class FileEngine:
    """Base class of the engines that run a file.

    `parts` are the other files of the network by role, see edge.engines.parts.
    `reading` is how a file that kseg did not export is read.
    """

    name = ""
    reading: Reading = NOTHING

    def __init__(self, path: Path, threads: int):
        self.parts: dict[str, Any] = {}
        self.path = path
        self.threads: Optional[int] = threads
        self.accelerator = ""
        self.share: Optional[float] = None
        self.first_millis: Optional[float] = None

    def set_tensors(self, image: Any, outputs: tuple[TensorSpec, ...]) -> None:
        """Set the ImageInput and the outputs of the loaded file."""
        self.image, self.outputs = image, outputs
        self.input = image.spec
        self.size: Optional[tuple[int, int]] = image.size
        self.channels = image.channels

    def read_as(self, reading: Reading) -> None:
        """Read the file in another way. Raises InputError if it does not suit it."""
        self.reading = reading
        self.set_tensors(self.image.read_as(reading), self.outputs)

    def blank(self) -> np.ndarray:
        """An image (h, w, channels) uint8 of zeros, for warm-up."""
        return np.zeros((*self.image.size, self.channels), np.uint8)


def one_line(error: Any) -> str:
    """The first line of an error message, shortened to whole words.

    >>> one_line(ValueError("Mmap of '8' failed.\\nOn the device"))
    "Mmap of '8' failed."
    """
    line = str(error).strip().partition("\n")[0]
    if len(line) > MAX_MESSAGE:
        words = line[:MAX_MESSAGE].rpartition(" ")[0]
        line = f"{words if len(words) > MAX_MESSAGE / 2 else line[:MAX_MESSAGE]} …"
    return line or type(error).__name__

"""Engines: one .tflite file in one interpreter, behind `engine(image) -> output`.

An engine has `name`, `threads`, `size` ((height, width), or None where any size will
do) and `channels`. Called with (H, W, channels) uint8 it returns labels (h, w) of any
integer type, or scores (h, w, classes) float32.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, Optional

import numpy as np

from edge.command import BadInput, native_log_held
from edge.flatbuffer import Normalization, normalization, reach

INTERPRETERS = {
    "litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
SYMMETRIC = ((127.5,), (127.5,))  # bytes to -1..1, where a model does not say
ENGINES = ("auto", "cpu", *INTERPRETERS)


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class TFLite:
    """A .tflite file in LiteRT's or tflite-runtime's interpreter, on the CPU."""

    def __init__(
        self,
        path: Path,
        name: str,
        interpreter: Any,
        threads: int,
        normalization: Optional[Normalization] = None,
    ):
        self.name, self.threads, self.path = name, threads, path
        with native_log_held():
            self._interpreter = self._load(interpreter)
        self._input = self._interpreter.get_input_details()[0]
        outputs = self._interpreter.get_output_details()
        shape = self._input["shape"]
        if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
            raise BadInput(
                f"{path}: takes {shape.tolist()}; a model of images takes "
                "[1, height, width, 1 or 3]"
            )
        maps = [o for o in outputs if len(o["shape"]) in (3, 4)]
        if -1 in self._input["shape_signature"]:
            raise BadInput(f"{path}: its input has no fixed size; export it with one")
        if not maps:
            shapes = [o["shape"].tolist() for o in outputs]
            raise BadInput(
                f"{path}: gives {shapes}, no map; is it a segmentation model?"
            )
        self._output = maps[0]
        if len(self._output["shape"]) == 4 and self._output["shape"][3] > 256:
            raise BadInput(f"{path}: gives over 256 classes")
        self.size = (int(shape[1]), int(shape[2]))
        self.channels = int(shape[3])
        self._mean, self._deviation = (
            np.float32(values if len(values) in (1, self.channels) else default)
            for values, default in zip(normalization or SYMMETRIC, SYMMETRIC)
        )

    def _load(self, interpreter: Any) -> Any:
        try:
            loaded = interpreter(model_path=str(self.path), num_threads=self.threads)
            loaded.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BadInput(
                f"{self.path}: {self.name} refuses it; is it damaged, or made for "
                f"a newer version? ({one_line(error)})"
            ) from None
        return loaded

    @property
    def wants_floats(self) -> bool:
        return self._input["dtype"] == np.float32

    def __call__(self, image: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input["index"], self._encode(image)[None])
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise BadInput(
                f"{self.path}: {self.name} stops: {one_line(error)}"
            ) from None
        return self._decode(self._interpreter.get_tensor(self._output["index"])[0])

    def _encode(self, image: np.ndarray) -> np.ndarray:
        """uint8 -> the input's type: bytes, int8 less 128, floats as the model says."""
        if self._input["dtype"] == np.uint8:
            return image
        if self._input["dtype"] == np.int8:
            return (image ^ 0x80).view(np.int8)
        normal = (image - self._mean) / self._deviation
        return normal.astype(self._input["dtype"])

    def _decode(self, output: np.ndarray) -> np.ndarray:
        scale, zero_point = self._output["quantization"]
        if output.dtype.kind in "iu" and not scale:  # labels have no scale
            return output[..., 0] if output.ndim == 3 else output
        if scale:
            output = (output.astype(np.float32) - zero_point) * np.float32(scale)
        if output.ndim == 2:
            output = output[..., None]
        if output.shape[2] == 1:  # one sigmoid channel: the other class is the rest
            return np.concatenate([1 - output, output], axis=2)
        return output


def one_line(error: Exception) -> str:
    """The beginning of an interpreter's complaint."""
    return str(error).strip().partition("\n")[0][:90] or type(error).__name__


def find_interpreter(name: str) -> tuple[str, Any]:
    """The interpreter called `name`, or for "auto" and "cpu" the first there is."""
    wanted = INTERPRETERS if name in ("auto", "cpu") else (name,)
    for candidate in wanted:
        try:
            module = importlib.import_module(INTERPRETERS[candidate])
        except ImportError:
            continue
        return candidate, module.Interpreter
    package = "ai-edge-litert" if name != "tflite-runtime" else name
    raise BadInput(f"no interpreter for --engine {name}; pip install {package}")


def read_tflite(path: Path) -> bytes:
    """A .tflite file. Raises BadInput for one that is missing, another, or cut off."""
    if not path.is_file():
        raise BadInput(f"{path}: no such model file")
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise BadInput(
            f"{path}: is no TFLite model; python -m kseg.export RUN writes one"
        )
    if reach(data) > len(data):
        raise BadInput(f"{path}: the file ends early; copy or export it again")
    return data


def open_engine(
    path: Path, name: str = "auto", threads: Optional[int] = None
) -> TFLite:
    """Loads a .tflite file. Raises BadInput for one that is missing or damaged."""
    path = Path(path)
    data = read_tflite(path)
    name, interpreter = find_interpreter(name)
    return TFLite(path, name, interpreter, threads or cores(), normalization(data))

"""A .tflite file on a GPU, by LiteRT's CompiledModel.

LiteRT's accelerator on Linux is WebGPU on a Vulkan driver, on macOS Metal.
"""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional

import numpy as np

from edge.core.errors import InputError
from edge.core.log import native_log_held
from edge.engines.base import one_line
from edge.engines.tflite import find_interpreter, tensors_of

# Where the Vulkan loader looks for drivers, and what overrides that.
DRIVER_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES")
DRIVER_FOLDERS = ("/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
DRIVER_FOLDERS += ("/etc/vulkan/icd.d",)


def drivers() -> list[str]:
    """What could drive a GPU here; where there is nothing there is none to try."""
    if sys.platform == "darwin":
        return ["Metal"]
    named = [os.environ[name] for name in DRIVER_VARIABLES if os.environ.get(name)]
    found = (file for place in DRIVER_FOLDERS for file in Path(place).glob("*.json"))
    return named or sorted(map(str, found))


@contextmanager
def log_held() -> Iterator[None]:
    """As `native_log_held`, of stdout too: the GPU accelerator logs there as well."""
    with native_log_held():
        sys.stdout.flush()
        saved = os.dup(1)
        os.dup2(2, 1)
        try:
            yield
        finally:
            ctypes.CDLL(None).fflush(None)  # what C has not written yet
            os.dup2(saved, 1)
            os.close(saved)


class GPU:
    """A .tflite file on the GPU, in float32 as on the CPU."""

    name = "gpu"

    def __init__(self, path: Path, threads: int):
        self.path, self.threads = path, threads
        self.accelerator = "Metal" if sys.platform == "darwin" else "WebGPU"
        self.first_millis: Optional[float] = None
        with log_held():
            self._load()
            blank = self.tensors.encode(self.tensors.blank())
            self._inputs[0].write(blank)  # the first makes an environment, and logs it
        self.size, self.channels = self.tensors.size, self.tensors.channels
        self.wants_floats = self.tensors.wants_floats

    def _load(self) -> None:
        if not drivers():
            raise InputError("--engine gpu: no Vulkan driver here; install the GPU's")
        _, module = find_interpreter("litert")
        try:
            from ai_edge_litert import compiled_model as litert
            from ai_edge_litert.options import GpuOptions
        except ImportError:
            raise InputError(
                "--engine gpu needs LiteRT 2.2 or newer; pip install -U ai-edge-litert"
            ) from None
        try:
            described = module.Interpreter(model_path=str(self.path))
            self.tensors = tensors_of(self.path, described)
            options = litert.Options(
                hardware_accelerators=litert.HardwareAccelerator.GPU,
                gpu_options=GpuOptions(enforce_f32=True),
            )
            self._model = litert.CompiledModel.from_file(
                str(self.path), options=options
            )
            self._inputs = self._model.create_input_buffers(0)
            self._outputs = self._model.create_output_buffers(0)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{self.path}: no GPU driver here takes it ({one_line(error)})"
            ) from None
        self.share = 1.0 if self._model.is_fully_accelerated() else None
        # The buffers before the model: the other way round, as Python may end, crashes.
        parts = [self._inputs, self._outputs]
        self._release = weakref.finalize(self, release, self._model, parts)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        output = self._outputs[self.tensors.index]
        shape, dtype = self.tensors.map.shape, self.tensors.map.dtype
        try:
            self._inputs[0].write(np.ascontiguousarray(self.tensors.encode(image)))
            self._model.run_by_index(0, self._inputs, self._outputs)
            values = output.read(int(np.prod(shape)), dtype.type)
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{self.path}: the GPU stops: {one_line(error)}") from None
        return self.tensors.decode(np.asarray(values).reshape(shape)[0])


def release(model: Any, parts: list[list[Any]]) -> None:
    """Gives a GPU's buffers back, then its model and what that ran in."""
    with log_held():
        for buffers in parts:
            for buffer in buffers:
                buffer.destroy()
            buffers.clear()
        environment = model.environment
        model.close()
        environment.close()

"""Running a .tflite file on a GPU with LiteRT's CompiledModel.

LiteRT uses WebGPU on a Vulkan driver on Linux, and Metal on macOS.
"""

from __future__ import annotations

import os
import sys
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from edge.core.errors import InputError
from edge.core.log import suppress_native_log
from edge.core.system import MACOS, flush_c_streams
from edge.engines.base import FileEngine, Output, one_line
from edge.engines.tflite import find_interpreter, image_input, outputs_of

# Where the Vulkan loader looks for drivers, and the variables that override it.
DRIVER_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES")
DRIVER_FOLDERS = ("/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
DRIVER_FOLDERS += ("/etc/vulkan/icd.d",)


def drivers() -> list[str]:
    """The GPU drivers of this system; empty if there are none."""
    if MACOS:
        return ["Metal"]
    named = [os.environ[name] for name in DRIVER_VARIABLES if os.environ.get(name)]
    found = (file for place in DRIVER_FOLDERS for file in Path(place).glob("*.json"))
    return named or sorted(map(str, found))


@contextmanager
def suppress_native_output() -> Iterator[None]:
    """Like `suppress_native_log`, but for stdout too, where the GPU delegate logs."""
    with suppress_native_log():
        sys.stdout.flush()
        saved = os.dup(1)
        os.dup2(2, 1)
        try:
            yield
        finally:
            flush_c_streams()
            os.dup2(saved, 1)
            os.close(saved)


class GPU(FileEngine):
    """A .tflite file on the GPU, in float32 as on the CPU."""

    name = "gpu"

    def __init__(self, path: Path, threads: int):
        super().__init__(path, threads)
        self.accelerator = "Metal" if MACOS else "WebGPU"
        with suppress_native_output():
            self._load()
            # The first write creates an environment, which is logged.
            self._inputs[0].write(self.image.encode(self.blank()))

    def _load(self) -> None:
        if not drivers():
            raise InputError(
                "--engine gpu: no Vulkan driver found; install the GPU's driver"
            )
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
            self.set_tensors(image_input(self.path, described), outputs_of(described))
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
                f"{self.path}: the GPU driver rejects the model ({one_line(error)})"
            ) from None
        self.share = 1.0 if self._model.is_fully_accelerated() else None
        # Buffers must be released before the model; Python may otherwise crash at exit.
        parts = [self._inputs, self._outputs]
        self._release = weakref.finalize(self, release, self._model, parts)

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        try:
            self._inputs[0].write(np.ascontiguousarray(self.image.encode(image)))
            self._model.run_by_index(0, self._inputs, self._outputs)
            values = [
                buffer.read(int(np.prod(spec.shape)), spec.dtype.type)
                for buffer, spec in zip(self._outputs, self.outputs)
            ]
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{self.path}: the GPU failed: {one_line(error)}"
            ) from None
        return tuple(
            Output(np.asarray(value).reshape(spec.shape)[0], spec)
            for value, spec in zip(values, self.outputs)
        )


def release(model: Any, parts: list[list[Any]]) -> None:
    """Release a GPU's buffers, then its model and environment."""
    with suppress_native_output():
        for buffers in parts:
            for buffer in buffers:
                buffer.destroy()
            buffers.clear()
        environment = model.environment
        model.close()
        environment.close()

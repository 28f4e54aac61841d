"""An .onnx file in ONNX Runtime: on TensorRT, CUDA or what else its build brings, or on
the CPU."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from edge.core.errors import InputError
from edge.core.log import native_log_held
from edge.engines.base import FileEngine, ImageInput, Output, TensorSpec, one_line

CPU = "CPUExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
GPUS = (TENSORRT, "CUDAExecutionProvider")


def runtime() -> Any:
    """The module. Raises InputError where it is missing."""
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            "no ONNX Runtime for an .onnx file; pip install onnxruntime (on a Jetson "
            "onnxruntime-gpu, as built for its JetPack)"
        ) from None
    return onnxruntime


def gpus() -> list[str]:
    """The providers of this ONNX Runtime that are of NVIDIA's GPUs, fastest first."""
    there = runtime().get_available_providers()
    return [provider for provider in GPUS if provider in there]


def options_of(provider: str, folder: Path) -> dict[str, str]:
    """TensorRT builds for minutes: what it built is kept in `folder`."""
    if provider != TENSORRT:
        return {}
    return {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(folder),
    }


class ONNX(FileEngine):
    """An .onnx file on one `provider` of ONNX Runtime; what that leaves the CPU does.

    `share` is known after the first run: ONNX Runtime says by its profile which
    provider ran which operator.
    """

    name = "onnx"

    def __init__(self, path: Path, threads: int, provider: Optional[str], folder: Path):
        super().__init__(path, threads)
        self.accelerator = provider or ""
        module = runtime()
        options = module.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # fatal; what it raises says the rest
        providers: list[Union[str, tuple[str, dict[str, str]]]] = [CPU]
        if provider:
            if provider not in module.get_available_providers():
                others = ", ".join(module.get_available_providers())
                raise InputError(f"this ONNX Runtime has no {provider}, only {others}")
            providers.insert(0, (provider, options_of(provider, folder)))
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(tempfile.mkdtemp()) / "first_run")
        with native_log_held():
            self._session = self._load(module, options, providers)
        if provider and provider not in self._session.get_providers():
            raise InputError(f"{path}: {provider} does not start here")
        self._profiled = bool(provider)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self.describe(
            ImageInput(path, spec_of(inputs[0])), tuple(map(spec_of, outputs))
        )

    def _load(self, module: Any, options: Any, providers: list[Any]) -> Any:
        try:
            return module.InferenceSession(str(self.path), options, providers=providers)
        except Exception as error:  # its classes have no common base but this
            raise InputError(
                f"{self.path}: ONNX Runtime refuses it; is it damaged, or made for a "
                f"newer version? ({one_line(error)})"
            ) from None

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        feed = {self.input.name: self.image.encode(image)}
        try:
            values = self._session.run([spec.name for spec in self.outputs], feed)
        except Exception as error:
            raise InputError(
                f"{self.path}: ONNX Runtime stops: {one_line(error)}"
            ) from None
        if self._profiled:
            self._profiled = False
            self.share = share_in(Path(self._session.end_profiling()), self.accelerator)
        return tuple(
            Output(value[0], spec) for value, spec in zip(values, self.outputs)
        )


TYPES = {"tensor(float)": "f4", "tensor(float16)": "f2", "tensor(double)": "f8"}


def spec_of(described: Any) -> TensorSpec:
    """ONNX Runtime's description of an input or output; a free side has length -1."""
    shape = (side if isinstance(side, int) else -1 for side in described.shape)
    kind = described.type
    name = TYPES.get(kind, kind.partition("(")[2].rstrip(")"))
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = np.dtype(object)  # strings, sequences: nothing of images
    return TensorSpec(described.name, tuple(shape), dtype)


def share_in(profile: Path, provider: str) -> Optional[float]:
    """The part of the operators that `provider` ran, by a profile, which is removed.

    What a provider compiles into one is one operator there.
    """
    try:
        events = json.loads(profile.read_text())
        profile.unlink()
        profile.parent.rmdir()
    except (OSError, ValueError):
        return None
    ran = Counter(
        event["args"]["provider"]
        for event in events
        if event.get("cat") == "Node" and "provider" in event.get("args", {})
    )
    return ran[provider] / sum(ran.values()) if ran else None

"""Running an .onnx file with ONNX Runtime: CPU, CUDA, TensorRT, other providers."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from edge.core.errors import InputError
from edge.core.imports import quiet_imports
from edge.core.log import suppress_native_log
from edge.engines.base import FileEngine, Output, TensorSpec, one_line
from edge.engines.image_input import ImageInput, layout_of, with_size
from edge.engines.tflite import check_single

CPU = "CPUExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
FREE_SIZE = (512, 512)  # of an input without a fixed size
# Of its errors: "[ONNXRuntimeError] : 1 : FAIL : ", and a place such as "/a/b.cc:256
# onnxruntime::Model::Model(const Path&) ".
ERROR_HEAD = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:Load model from .*? failed:)?", re.S
)
ERROR_PLACE = re.compile(r"\S*\w\.(?:cc|h):\d+ (?:[^\n]*?\)(?: const)? (?=[A-Z]))?")
GPUS = (TENSORRT, "CUDAExecutionProvider")


def import_runtime() -> Any:
    """The module `onnxruntime`. Raises InputError if it is missing or broken."""
    try:
        with quiet_imports():
            import onnxruntime
    except InputError:
        if find_spec("onnxruntime"):
            raise
        raise InputError(
            "an .onnx file needs ONNX Runtime; pip install onnxruntime (on a Jetson "
            "the onnxruntime-gpu built for its JetPack)"
        ) from None
    return onnxruntime


def gpu_providers() -> list[str]:
    """The available providers for NVIDIA GPUs, fastest first."""
    available = import_runtime().get_available_providers()
    return [provider for provider in GPUS if provider in available]


def provider_options(provider: str, folder: Path) -> dict[str, str]:
    """Options of a provider; TensorRT caches the engines that it builds in `folder`."""
    if provider != TENSORRT:
        return {}
    return {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(folder),
    }


class ONNX(FileEngine):
    """An .onnx file on a `provider` of ONNX Runtime; the CPU runs other operators.

    `share` is known after the first run, from ONNX Runtime's profile.
    """

    name = "onnx"

    def __init__(
        self,
        path: Path,
        threads: int,
        provider: Optional[str],
        folder: Path,
        input_size: Optional[tuple[int, int]] = None,
    ):
        super().__init__(path, threads)
        self.accelerator = provider or ""
        module = import_runtime()
        options = module.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # fatal only; errors are raised anyway
        providers: list[Union[str, tuple[str, dict[str, str]]]] = [CPU]
        if provider:
            if provider not in module.get_available_providers():
                others = ", ".join(module.get_available_providers())
                raise InputError(
                    f"this ONNX Runtime does not have {provider}; it has {others}"
                )
            providers.insert(0, (provider, provider_options(provider, folder)))
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(tempfile.mkdtemp()) / "first_run")
        with suppress_native_log():
            self._session = self._load(module, options, providers)
        if provider and provider not in self._session.get_providers():
            raise InputError(f"{path}: {provider} does not start on this machine")
        self._profiled = bool(provider)
        inputs = [spec_of(each) for each in self._session.get_inputs()]
        if not inputs:
            raise InputError(f"{path}: has no input; an image model has one")
        check_single(path, inputs)
        image = ImageInput(path, self._sized(inputs[0], input_size))
        outputs = self._session.get_outputs()
        self.set_tensors(image, tuple(map(spec_of, outputs)))

    def _sized(self, spec: TensorSpec, size: Optional[tuple[int, int]]) -> TensorSpec:
        """The input with a fixed size: `size`, that of the file's metadata, or 512x512.

        Raises InputError for a `size` that the file does not accept.
        """
        if len(spec.shape) != 4:
            return spec  # ImageInput says what is wrong
        self.free_size = min(spec.shape[1:]) < 1
        if size and not self.free_size:
            raise InputError(
                f"{self.path}: --input-size has no effect, as its input is "
                f"{list(spec.shape)}; leave it out"
            )
        known = noted_size(self._session.get_modelmeta().custom_metadata_map)
        layout = layout_of(self.path, spec)
        return with_size(spec, layout, size or known or FREE_SIZE)

    def _load(self, module: Any, options: Any, providers: list[Any]) -> Any:
        try:
            return module.InferenceSession(str(self.path), options, providers=providers)
        except Exception as error:  # its exceptions have no narrower common base
            raise InputError(
                f"{self.path}: ONNX Runtime rejects the model; copy or export it "
                f"again, or update ONNX Runtime ({reason_in(error)})"
            ) from None

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        feed = {self.input.name: self.image.encode(image)}
        try:
            values = self._session.run([spec.name for spec in self.outputs], feed)
        except Exception as error:
            raise InputError(
                f"{self.path}: ONNX Runtime failed: {reason_in(error)}"
            ) from None
        if self._profiled:
            self._profiled = False
            self.share = provider_share(
                Path(self._session.end_profiling()), self.accelerator
            )
        return tuple(
            Output(value[0], spec) for value, spec in zip(values, self.outputs)
        )


def reason_in(error: Exception) -> str:
    """The reason in an error of ONNX Runtime, without the place in its source.

    >>> reason_in(ValueError("[ONNXRuntimeError] : 1 : FAIL : Load model from a.onnx"
    ...     " failed:/src/core/model.cc:256 ort::Model(ort::Proto&&) Unsupported IR"))
    'Unsupported IR'
    """
    text = ERROR_HEAD.sub("", str(error))
    return one_line(ERROR_PLACE.sub("", text))


def noted_size(metadata: dict[str, str]) -> Optional[tuple[int, int]]:
    """The input size (height, width) in the metadata of an export of Ultralytics.

    >>> noted_size({"imgsz": "[640, 480]"})
    (640, 480)
    """
    try:
        height, width = json.loads(metadata.get("imgsz", ""))
        return (height, width) if min(height, width) > 0 else None
    except (ValueError, TypeError):
        return None


TYPES = {"tensor(float)": "f4", "tensor(float16)": "f2", "tensor(double)": "f8"}


def spec_of(described: Any) -> TensorSpec:
    """The TensorSpec of an input or output of ONNX Runtime; free sides are -1."""
    shape = (side if isinstance(side, int) else -1 for side in described.shape)
    kind = described.type
    name = TYPES.get(kind, kind.partition("(")[2].rstrip(")"))
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = np.dtype(object)  # strings, sequences: not supported
    return TensorSpec(described.name, tuple(shape), dtype)


def provider_share(profile: Path, provider: str) -> Optional[float]:
    """The share of operators that `provider` ran, from a profile, which is deleted.

    Operators that a provider fuses count as one.
    """
    try:
        events = json.loads(profile.read_text(encoding="utf-8"))
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

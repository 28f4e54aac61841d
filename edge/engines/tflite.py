"""Running a .tflite file with LiteRT or tflite-runtime, on the CPU or with a delegate,
such as that of an Edge TPU."""

from __future__ import annotations

import copy
import importlib
import logging
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.core.errors import InputError
from edge.core.imports import lacking_library, quiet_imports
from edge.core.libraries import how_to_install, owner_of
from edge.core.system import address_bits
from edge.engines.base import FileEngine, Output, TensorSpec, one_line
from edge.engines.image_input import ImageInput
from edge.model_file.downloaded import TFLITE_MARK, check_downloaded
from edge.model_file.flatbuffer import normalization, required_size

log = logging.getLogger(__name__)

INTERPRETERS = {
    "litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
PACKAGES = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}


def find_interpreter(name: str) -> tuple[str, Any]:
    """Import the interpreter called `name`; "cpu" is the first one that works here.

    Raises InputError if none is installed, or with the reason why one that is
    installed cannot be imported.
    """
    wanted = (name,) if name in INTERPRETERS else tuple(INTERPRETERS)
    broken = []
    for candidate in wanted:
        module = INTERPRETERS[candidate]
        if not is_installed(module):
            continue
        try:
            with quiet_imports():
                return candidate, importlib.import_module(module)
        except InputError as error:
            broken.append(str(error))
    if broken:
        raise InputError(f"--engine {name}: {'; '.join(broken)}")
    package = PACKAGES.get(name, PACKAGES["litert"])
    remedy = f"pip install {package}"
    if address_bits() == 32 and package == PACKAGES["litert"]:
        remedy = "use a 64-bit system: LiteRT has no packages for 32 bits"
    raise InputError(f"--engine {name}: no interpreter is installed; {remedy}")


def is_installed(module: str) -> bool:
    """Whether the package of a module is there, broken or not."""
    blocked = sys.modules.get(module, module) is None
    return not blocked and find_spec(module.partition(".")[0]) is not None


def read_tflite(path: Path) -> bytes:
    """Read a .tflite file.

    Raises InputError if it is missing, truncated or not a TFLite model.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    data = path.read_bytes()
    check_downloaded(path, data)
    if data[4:8] != TFLITE_MARK:
        raise InputError(f"{path}: not a TFLite model; kseg export RUN writes one")
    if required_size(data) > len(data):
        raise InputError(f"{path}: the file is truncated; copy or export it again")
    return data


def spec_of(details: dict[str, Any]) -> TensorSpec:
    """The TensorSpec of an interpreter's tensor details; free sides are -1."""
    scale, zero_point = details["quantization"]
    shape = [
        -1 if free == -1 else int(side)
        for side, free in zip(details["shape"], details["shape_signature"])
    ]
    if len(shape) != len(details["shape"]):  # old files have no shape signature
        shape = details["shape"].tolist()
    dtype = np.dtype(details["dtype"])
    return TensorSpec(details["name"], tuple(shape), dtype, float(scale), zero_point)


def image_input(path: Path, interpreter: Any) -> ImageInput:
    """The input of a loaded file. Raises InputError if it is not an image."""
    inputs = interpreter.get_input_details()
    if not inputs:
        raise InputError(f"{path}: has no input; an image model has one")
    check_single(path, [spec_of(each) for each in inputs])
    spec = with_one_image(spec_of(inputs[0]))
    return ImageInput(path, spec, normalization(path.read_bytes()))


def check_single(path: Path, inputs: Sequence[TensorSpec]) -> None:
    """Raises InputError for a file that needs more than an image."""
    if len(inputs) > 1:
        listed = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in inputs[:6])
        raise InputError(
            f"{path}: has {len(inputs)} inputs ({listed}), and an image model has one; "
            "export it with the image alone"
        )


def outputs_of(interpreter: Any) -> tuple[TensorSpec, ...]:
    """The outputs of a loaded file, in file order."""
    specs = [spec_of(details) for details in interpreter.get_output_details()]
    return tuple(with_one_image(spec) for spec in specs)


def with_one_image(spec: TensorSpec) -> TensorSpec:
    """A spec whose free batch, as converters leave it, is one image."""
    if spec.shape[:1] != (-1,):
        return spec
    return replace(spec, shape=(1, *spec.shape[1:]))


class TFLiteFile(FileEngine):
    """A .tflite file in the interpreter `module`, called `name`, with any inputs.

    `delegate` is a shared library that runs operators; without one XNNPACK does, if it
    is built in and accepts the model. `accelerator` is its name, `share` its share of
    the operators.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        module: Any,
        threads: int,
        delegate: Optional[str] = None,
    ):
        super().__init__(path, threads)
        self.name, self._module = name, module
        with quiet_imports():  # tflite-runtime imports NumPy's part only here
            self._load(module, delegate)
        if not self.accelerator:
            log.warning(
                f"{path}: XNNPACK rejects the model; TFLite's slower kernels run it"
            )
        self._set_tensors()
        details = self._interpreter.get_input_details()
        self._input_indices = [each["index"] for each in details]
        details = self._interpreter.get_output_details()
        self._output_indices = [output["index"] for output in details]

    def _set_tensors(self) -> None:
        """Describe the inputs and outputs. Raises InputError if they do not suit."""
        raise NotImplementedError

    def _load(self, module: Any, delegate: Optional[str]) -> None:
        attempts: list[dict[str, Any]] = [{}]
        resolvers = getattr(module, "OpResolverType", None)  # tf.lite has none
        if delegate:
            attempts = [{"experimental_delegates": [load_delegate(module, delegate)]}]
        elif resolvers:
            # XNNPACK rejects int8 layers with very different scales; TFLite's own
            # kernels accept them.
            plain = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            attempts.append({"experimental_op_resolver_type": plain})
        error_message = ""
        for attempt in attempts:
            try:
                share = self._prepare(module, attempt)
                break
            except (ValueError, RuntimeError) as error:
                error_message = one_line(error)
        else:
            raise InputError(
                f"{self.path}: {self.name} rejects the model; copy or export it again, "
                f"or update the interpreter ({error_message})"
            )
        self.accelerator = Path(delegate).name if delegate else "XNNPACK"
        if error_message:
            self.accelerator = ""
        self.share = share if delegate else delegated_share(self._interpreter)

    def _prepare(self, module: Any, options: dict[str, Any]) -> Optional[float]:
        """Create the interpreter; returns the share of the delegates in `options`."""
        self._interpreter = module.Interpreter(
            model_path=str(self.path), num_threads=self.threads, **options
        )
        share = delegated_share(self._interpreter)  # before XNNPACK takes the rest
        self._interpreter.allocate_tensors()
        return share

    def single_threaded(self) -> TFLiteFile:
        """A copy with an interpreter of its own, on one thread, without a delegate."""
        result = copy.copy(self)
        result.threads = 1
        result._load(self._module, None)
        return result

    def _run(self, *tensors: np.ndarray) -> tuple[Output, ...]:
        """All outputs for the inputs, which have the batch, in the file's order."""
        for index, tensor in zip(self._input_indices, tensors):
            self._interpreter.set_tensor(index, tensor)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise InputError(
                f"{self.path}: {self.name} failed: {one_line(error)}"
            ) from None
        # Copies: the interpreter cannot run again while a view exists.
        return tuple(
            Output(self._interpreter.get_tensor(index)[0], spec)
            for index, spec in zip(self._output_indices, self.outputs)
        )


class TFLite(TFLiteFile):
    """A .tflite file whose input is an image."""

    def _set_tensors(self) -> None:
        image = image_input(self.path, self._interpreter)
        self.set_tensors(image, outputs_of(self._interpreter))

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        return self._run(self.image.encode(image))


def load_delegate(module: Any, library: str) -> Any:
    """Load a delegate's shared library. Raises InputError if that fails."""
    try:
        return module.load_delegate(library)
    except (
        OSError,
        ValueError,
        AttributeError,
    ) as error:  # AttributeError: not a delegate
        remedy, lacks = "", lacking_library(str(error))
        if lacks and (lacks != Path(library).name or owner_of(lacks)):
            remedy = f"; {how_to_install(lacks)}"
        raise InputError(
            f"--delegate {library}: cannot be loaded ({one_line(error)}){remedy}"
        ) from None


def delegated_share(interpreter: Any) -> Optional[float]:
    """The share of operators that delegates run; None if unknown.

    An interpreter keeps the operators that a delegate replaces in its list and appends
    the delegate's own, which have the same output tensors.
    """
    if not hasattr(interpreter, "_get_ops_details"):
        return None
    operators = interpreter._get_ops_details()
    return replaced_share([(list(o["inputs"]), list(o["outputs"])) for o in operators])


def replaced_share(operators: Sequence[tuple[list[int], list[int]]]) -> float:
    """The share of operators, as (inputs, outputs), that later ones replace.

    Here the last operator replaces the first two of three:

    >>> replaced_share([([0], [1]), ([1], [2]), ([2], [3]), ([0], [2])]).__round__(3)
    0.667
    """
    maker: dict[int, int] = {}  # tensor -> the operator that computes it
    replacements: list[tuple[list[int], list[int]]] = []
    for index, (inputs, outputs) in enumerate(operators):
        if outputs and all(tensor in maker for tensor in outputs):
            replacements.append((inputs, outputs))
        else:
            maker.update(dict.fromkeys(outputs, index))
    replaced: set[int] = set()
    for inputs, outputs in replacements:  # from outputs back to inputs
        known, waiting = set(inputs), list(outputs)
        while waiting:
            tensor = waiting.pop()
            if tensor in known or tensor not in maker:
                continue
            known.add(tensor)
            replaced.add(maker[tensor])
            waiting += operators[maker[tensor]][0]
    return len(replaced) / max(1, len(operators) - len(replacements))

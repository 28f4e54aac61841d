"""A .tflite file in LiteRT's or tflite-runtime's interpreter: on the CPU, or on what a
delegate brings, an Edge TPU say."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.core.errors import InputError
from edge.core.log import native_log_held
from edge.engines.base import FileEngine, ImageInput, Output, TensorSpec, one_line
from edge.model_file.flatbuffer import normalization, reach

log = logging.getLogger(__name__)

INTERPRETERS = {
    "litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
PACKAGES = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}


def find_interpreter(name: str) -> tuple[str, Any]:
    """The module of the interpreter called `name`; "cpu" is the first there is."""
    wanted = (name,) if name in INTERPRETERS else INTERPRETERS
    for candidate in wanted:
        try:
            return candidate, importlib.import_module(INTERPRETERS[candidate])
        except ImportError:
            continue
    package = PACKAGES.get(name, PACKAGES["litert"])
    raise InputError(f"no interpreter for --engine {name}; pip install {package}")


def read_tflite(path: Path) -> bytes:
    """A .tflite file.

    Raises InputError for one that is missing, another, or cut off.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise InputError(f"{path}: is no TFLite model; kseg export RUN writes one")
    if reach(data) > len(data):
        raise InputError(f"{path}: the file ends early; copy or export it again")
    return data


def spec_of(details: dict[str, Any]) -> TensorSpec:
    """An interpreter's details of a tensor; a side that is free has length -1."""
    scale, zero_point = details["quantization"]
    shape = [
        -1 if free == -1 else int(side)
        for side, free in zip(details["shape"], details["shape_signature"])
    ]
    if len(shape) != len(details["shape"]):  # an old file has no shape signature
        shape = details["shape"].tolist()
    dtype = np.dtype(details["dtype"])
    return TensorSpec(details["name"], tuple(shape), dtype, float(scale), zero_point)


def image_of(path: Path, interpreter: Any) -> ImageInput:
    """What a loaded network takes. Raises InputError where that is no image."""
    inputs = interpreter.get_input_details()
    if not inputs:
        raise InputError(f"{path}: takes nothing; a model of images takes one")
    return ImageInput(path, spec_of(inputs[0]), normalization(path.read_bytes()))


def outputs_of(interpreter: Any) -> tuple[TensorSpec, ...]:
    """What a loaded network gives, in the file's own order."""
    return tuple(spec_of(details) for details in interpreter.get_output_details())


class TFLite(FileEngine):
    """A .tflite file in the interpreter of `module`, called `name`.

    `delegate` is a shared library that takes operators over; without one XNNPACK does,
    where it is built in and takes them. `accelerator` names it, `share` is its part of
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
        self.name = name
        with native_log_held():
            self._load(module, delegate)
        if not self.accelerator:
            log.warning(
                f"{path}: XNNPACK refuses it; TFLite's own kernels run it, slower"
            )
        self.describe(image_of(path, self._interpreter), outputs_of(self._interpreter))
        self._input = self._interpreter.get_input_details()[0]["index"]
        details = self._interpreter.get_output_details()
        self._places = [output["index"] for output in details]

    def _load(self, module: Any, delegate: Optional[str]) -> None:
        ways: list[dict[str, Any]] = [{}]
        resolvers = getattr(module, "OpResolverType", None)  # tf.lite has none
        if delegate:
            ways = [{"experimental_delegates": [load_delegate(module, delegate)]}]
        elif resolvers:
            # XNNPACK refuses int8 layers whose scales lie far apart. TFLite's own
            # kernels take them.
            plain = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ways.append({"experimental_op_resolver_type": plain})
        refusal = ""
        for way in ways:
            try:
                taken = self._prepare(module, way)
                break
            except (ValueError, RuntimeError) as error:
                refusal = one_line(error)
        else:
            raise InputError(
                f"{self.path}: {self.name} refuses it; is it damaged, or made for "
                f"a newer version? ({refusal})"
            )
        self.accelerator = Path(delegate).name if delegate else "XNNPACK"
        if refusal:
            self.accelerator = ""
        self.share = taken if delegate else delegated(self._interpreter)

    def _prepare(self, module: Any, options: dict[str, Any]) -> Optional[float]:
        """Makes the interpreter ready; the part that delegates of `options` took."""
        self._interpreter = module.Interpreter(
            model_path=str(self.path), num_threads=self.threads, **options
        )
        taken = delegated(self._interpreter)  # before XNNPACK takes the rest
        self._interpreter.allocate_tensors()
        return taken

    def __call__(self, image: np.ndarray) -> tuple[Output, ...]:
        self._interpreter.set_tensor(self._input, self.image.encode(image))
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise InputError(
                f"{self.path}: {self.name} stops: {one_line(error)}"
            ) from None
        # Copies: a view would keep the interpreter from running again.
        return tuple(
            Output(self._interpreter.get_tensor(place)[0], spec)
            for place, spec in zip(self._places, self.outputs)
        )


def load_delegate(module: Any, library: str) -> Any:
    """A delegate's shared library. Raises InputError where it cannot be had."""
    try:
        return module.load_delegate(library)
    except (
        OSError,
        ValueError,
        AttributeError,
    ) as error:  # AttributeError: no delegate
        raise InputError(
            f"--delegate {library}: cannot be loaded ({one_line(error)})"
        ) from None


def delegated(interpreter: Any) -> Optional[float]:
    """The share of operators that delegates run; None where that cannot be known.

    An interpreter keeps the operators that a delegate has taken over in its list and
    appends the delegate's own, which give the same tensors.
    """
    if not hasattr(interpreter, "_get_ops_details"):
        return None
    operators = interpreter._get_ops_details()
    return share_of([(list(o["inputs"]), list(o["outputs"])) for o in operators])


def share_of(operators: Sequence[tuple[list[int], list[int]]]) -> float:
    """The part of the operators, as (inputs, outputs), that others stand for.

    Here the last stands for the first two of three:

    >>> share_of([([0], [1]), ([1], [2]), ([2], [3]), ([0], [2])]).__round__(3)
    0.667
    """
    maker: dict[int, int] = {}  # tensor -> the operator that gives it
    standing: list[tuple[list[int], list[int]]] = []
    for index, (inputs, outputs) in enumerate(operators):
        if outputs and all(tensor in maker for tensor in outputs):
            standing.append((inputs, outputs))
        else:
            maker.update(dict.fromkeys(outputs, index))
    taken: set[int] = set()
    for inputs, outputs in standing:  # back from what it gives to what it takes
        known, waiting = set(inputs), list(outputs)
        while waiting:
            tensor = waiting.pop()
            if tensor in known or tensor not in maker:
                continue
            known.add(tensor)
            taken.add(maker[tensor])
            waiting += operators[maker[tensor]][0]
    return len(taken) / max(1, len(operators) - len(standing))

"""Checks what keeps a .tflite file from running, or from running fast, and where.

Errors: no interpreter with builtin operators runs the file. Warnings: one device
rejects the file or leaves operators to the CPU, or an operator is inefficient. Notes:
consequences of the kind of file, such as a float file on an Edge TPU.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

from edge.core.errors import GateFailed, InputError
from edge.core.log import suppress_native_log
from edge.engines.base import one_line
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import read_info
from kseg.deploy.lint.devices import (
    EDGE_TPU,
    EDGE_TPU_SOFTMAX,
    GPU,
    GPU_TYPES,
    RUNTIME_2_14,
    TYPES_2_14,
)
from kseg.deploy.lint.graph import (
    BYTES,
    CONVERSIONS,
    CONVOLUTIONS,
    FLOATS,
    FUSING,
    QUANTIZED,
    Graph,
    Operator,
    Tensor,
    read_graphs,
)

log = logging.getLogger(__name__)

ANY, SPEED, ACCURACY = "any", "speed", "accuracy"
MEDIAPIPE, OLD_RUNTIME = "MediaPipe", "tflite-runtime 2.14"
ON_GPU, ON_EDGE_TPU = "LiteRT GPU", "Edge TPU"
# Custom operators that interpreters register: all of them, or LiteRT alone.
IN_ALL, IN_LITERT = ("TFLite_Detection_PostProcess",), ("Convolution2DTransposeBias",)
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class LintIssue:
    """One problem: the first operator and tensor that have it, and how many do."""

    severity: str
    device: str
    operator: str
    tensor: str
    problem: str
    count: int = 1

    def __str__(self) -> str:
        more = f" and {self.count - 1} more" if self.count > 1 else ""
        where = f"{self.operator} ({self.tensor}){more}: " if self.operator else ""
        return f"{self.device}: {where}{self.problem}"


FOR_MEDIAPIPE = ("boxes",)  # heads whose several outputs a task of MediaPipe reads
MOST_APART = 4  # scales of the inputs of a CONCATENATION, as a ratio
KEEPS_VALUES = ("QUANTIZE", "RESHAPE")  # operators behind which the scale may differ

Problem = tuple[Tensor, str]
Rule = Callable[[Operator, Graph], Iterator[Problem]]


def unsupported_everywhere(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """Problems in every interpreter that has only TFLite's builtin operators."""
    first = operator.outputs[0] if operator.outputs else operator.inputs[0]
    if operator.custom and operator.name.startswith("Flex"):
        yield first, "TensorFlow operator (Flex); convert with builtin operators only"
    elif operator.custom and operator.name not in (*IN_ALL, *IN_LITERT):
        yield first, "custom operator; runs only in programs that register it"
    elif operator.name.startswith("no. "):
        yield first, "operator code that is not in LiteRT's schema"
    for tensor in operator.tensors:
        if tensor.dynamic:
            yield tensor, "dynamic shape; convert with a static signature, batch size 1"
        if tensor.constant and tensor.dtype == "int8" and any(tensor.zero_points[1:]):
            yield tensor, "zero points of per-channel weights must be 0"
    if operator.name in ("ARG_MAX", "ARG_MIN") and operator.inputs[0].dtype == "int16":
        yield operator.inputs[0], "no int16 kernel; export logits, or use int8"


def inefficient(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """Operators that a better conversion would avoid."""
    if not operator.inputs or not operator.outputs or operator.inputs[0].constant:
        return
    source, output = operator.inputs[0], operator.outputs[0]
    before, at_end = source.producer, output in graph.outputs or source in graph.inputs
    floats = [t for t in operator.activations if t.dtype in FLOATS]
    if operator.name not in CONVERSIONS and floats and graph.integer:
        yield floats[0], "computes in float in an integer graph"
    if operator.name == "QUANTIZE" and before and before.name == "DEQUANTIZE":
        yield output, "quantizes a tensor that was just dequantized"
    elif operator.name == "QUANTIZE" and source.dtype in QUANTIZED and not at_end:
        yield output, "rescales inside the graph"
    if operator.name == "TRANSPOSE":
        yield output, "copies the tensor in another order"
    if before and before.name in FUSING and len(source.consumers) == 1:
        plain = not before.option("fusedActivationFunction")
        if operator.name in ("RELU", "RELU6") and plain:
            yield output, f"could be fused into the preceding {before.name}"
        factors = [tensor for tensor in operator.inputs if tensor.constant]
        by_channel = factors and factors[0].shape == output.shape[-1:]
        if operator.name == "MUL" and before.name in CONVOLUTIONS and by_channel:
            yield output, f"could be folded into the preceding {before.name}"


def rescaled_inputs(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """Joined tensors of different ranges: the narrow ones are left with few levels.

    The inputs of a quantized CONCATENATION get one scale, that of the widest.
    """
    if operator.name != "CONCATENATION":
        return
    joined = [t for t in operator.inputs if not t.constant and t.dtype in QUANTIZED]
    scales = {first_scale(tensor): tensor for tensor in joined}
    scales.pop(0.0, None)
    if len(scales) < 2 or max(scales) <= MOST_APART * min(scales):
        return
    levels = max(1, round(256 * min(scales) / max(scales)))
    yield (
        scales[min(scales)],
        f"joined with a tensor of a range {max(scales) / min(scales):.0f} times as "
        f"wide, which leaves it about {levels} of 256 levels; keep them apart",
    )


def first_scale(tensor: Tensor) -> float:
    """The scale with which a tensor's values were computed; 0 if it has none."""
    while (before := tensor.producer) and before.name in KEEPS_VALUES:
        source = before.inputs[0]
        if source.constant or source.dtype not in QUANTIZED:
            break
        tensor = source
    return tensor.scales[0] if tensor.scales else 0.0


def unsupported_on_gpu(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """Operators that LiteRT's GPU accelerator leaves to the CPU; measured with 2.3."""
    if operator.name not in GPU:
        yield operator.outputs[0], "operator not supported"
        return
    for tensor in operator.activations:
        if tensor.dtype not in GPU_TYPES:
            yield tensor, f"{tensor.dtype} not supported"
        elif len(tensor.shape) > 4:
            yield tensor, "more than 4 dimensions not supported"


def unsupported_on_edge_tpu(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """Operators after which the Edge TPU compiler leaves the graph to the CPU."""
    name, output = operator.name, operator.outputs[0]
    if name not in EDGE_TPU:
        yield output, "operator not supported"
        return
    for tensor in operator.activations:
        if tensor.dtype not in BYTES:
            yield tensor, f"{tensor.dtype} not supported"
        elif any(side > 1 for side in tensor.shape[:-3]):
            yield tensor, "batch size over 1 or more than 3 dimensions not supported"
    pools = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION")
    if name in pools and operator.option("fusedActivationFunction"):
        yield output, "fused activation not supported"
    dilations = [operator.option(f"dilation{side}Factor", 1) for side in ("H", "W")]
    if dilations[0] != dilations[1]:
        yield output, "vertical and horizontal dilation must be equal"
    if name == "SOFTMAX" and (
        any(side > 1 for side in output.shape[:-1])
        or output.shape[-1] > EDGE_TPU_SOFTMAX
    ):
        yield (
            output,
            f"more than 1 dimension or {EDGE_TPU_SOFTMAX} elements not supported",
        )
    if name.startswith("RESIZE"):
        yield output, "may run on the CPU, depending on its size"


def unsupported_on_old_runtime(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """Operators, versions and types that tflite-runtime 2.14 does not support."""
    if operator.custom:
        if operator.name in IN_LITERT:
            yield operator.outputs[0], "custom operator that only LiteRT has"
        return
    output = operator.outputs[0]
    newest = RUNTIME_2_14.get(operator.name, 0)
    if not newest:
        yield output, "operator not supported"
    elif operator.version > newest:
        yield output, f"version {operator.version} not supported; newest is {newest}"
    for tensor in operator.tensors:
        if tensor.dtype not in TYPES_2_14:
            yield tensor, f"{tensor.dtype} not supported"
    if operator.name == "TRANSPOSE_CONV" and len(operator.inputs) > 2:
        weights, features = operator.inputs[1:3]
        if weights.dtype == "int8" and features.dtype == "float32":
            yield weights, "int8 weights with float32 input not supported"


RULES: tuple[tuple[str, str, Rule], ...] = (
    ("error", ANY, unsupported_everywhere),
    ("warning", SPEED, inefficient),
    ("warning", ACCURACY, rescaled_inputs),
    ("warning", OLD_RUNTIME, unsupported_on_old_runtime),
    ("warning", ON_GPU, unsupported_on_gpu),
    ("warning", ON_EDGE_TPU, unsupported_on_edge_tpu),
)


def lint(path: Path) -> list[LintIssue]:
    """The problems of a .tflite file, the most severe first; each kind once.

    Raises InputError for a file that is missing, damaged or not a TFLite model.
    """
    graphs = read_graphs(Path(path))
    found = [issue for graph in graphs for issue in check_graph(graph)]
    found += check_outputs(graphs[0], read_info(Path(path)))
    if not any(issue.severity == "error" for issue in found):
        found += check_loading(Path(path))
    return sorted(merge_equal(found), key=lambda item: SEVERITIES.index(item.severity))


def check_graph(graph: Graph) -> Iterator[LintIssue]:
    for severity, device, rule in RULES:
        if device == ON_EDGE_TPU and not graph.integer:
            reason = "float model; needs int8: export with --quantize int8"
            yield LintIssue("note", device, "", "", reason)
            continue
        for operator in graph.operators:
            for tensor, problem in rule(operator, graph):
                yield LintIssue(severity, device, operator.name, tensor.name, problem)


def check_outputs(
    graph: Graph, info: Optional[ModelInfo] = None
) -> Iterator[LintIssue]:
    """MediaPipe's ImageSegmenter needs one output [1, height, width, classes].

    A file with several outputs by role is no segmenter: the note says what it is. One
    of the head boxes is for its ObjectDetector.
    """
    outputs = graph.outputs
    if info is not None and info.head in FOR_MEDIAPIPE:
        return
    if info is not None and len(info.outputs) == len(outputs) > 1:
        roles = ", ".join(
            f"{role} {tensor.dtype} {list(tensor.shape)}"
            for role, tensor in zip(info.outputs, outputs, strict=True)
        )
        reason = (
            f"no task of MediaPipe reads it: a model of the task {info.task} with the "
            f"outputs {roles}, which edge/ decodes"
        )
        yield LintIssue("note", MEDIAPIPE, "", "", reason)
        return
    if len(outputs) != 1 or len(outputs[0].shape) != 4 or outputs[0].dtype == "int64":
        shapes = ", ".join(f"{t.dtype} {list(t.shape)}" for t in outputs)
        reason = (
            f"output is {shapes}; ImageSegmenter needs scores [1, height, width, "
            "classes]: export with --head probabilities"
        )
        yield LintIssue("note", MEDIAPIPE, "", "", reason)


def check_loading(path: Path) -> Iterator[LintIssue]:
    """Loads a file in LiteRT, with XNNPACK and, if that fails, without."""
    from ai_edge_litert.interpreter import OpResolverType

    xnnpack_error = loading_error(path, OpResolverType.AUTO)
    if not xnnpack_error:
        return
    if error := loading_error(path, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        yield LintIssue("error", ANY, "", "", f"LiteRT cannot load it: {error}")
    else:
        reason = "XNNPACK cannot run it, so TFLite's slower kernels are used; the "
        reason += f"scales of a layer may differ too much ({xnnpack_error})"
        yield LintIssue("warning", SPEED, "", "", reason)


def loading_error(path: Path, resolver: Any) -> Optional[str]:
    """LiteRT's error for a file that it cannot prepare; None if it can."""
    from ai_edge_litert.interpreter import Interpreter

    with suppress_native_log():
        try:
            Interpreter(
                model_path=str(path), experimental_op_resolver_type=resolver
            ).allocate_tensors()
        except (ValueError, RuntimeError) as error:
            return one_line(error)
    return None


def merge_equal(issues: Sequence[LintIssue]) -> list[LintIssue]:
    """Merges equal issues into the first of them, with their number."""
    kinds = [(f.severity, f.device, f.operator, f.problem) for f in issues]
    firsts = dict(zip(reversed(kinds), reversed(issues), strict=True))
    counts = Counter(kinds)  # in order of first occurrence
    return [replace(firsts[kind], count=count) for kind, count in counts.items()]


def log_warnings(path: Path, name: str) -> None:
    """Logs the warnings for an exported file, one line per device.

    `name` is the final name of the file. Those for an Edge TPU are left to `kseg
    check`: few people have one, and it leaves operators of nearly every network to the
    CPU. Raises GateFailed for an error.
    """
    issues = [f for f in lint(path) if f.severity != "note"]
    refuse({name: issues})
    issues = [f for f in issues if f.device != ON_EDGE_TPU]
    for device in dict.fromkeys(issue.device for issue in issues):
        first, *more = (f for f in issues if f.device == device)
        others = f" (and {len(more)} more; kseg check lists all)" if more else ""
        log.warning(f"{name}: {first}{others}")


def check(paths: Sequence[str]) -> tuple[dict[str, list[LintIssue]], list[InputError]]:
    """The issues of each file that can be read, and the errors of the others."""
    issues, errors = {}, []
    for path in paths:
        try:
            if Path(path).is_dir():
                raise InputError(f"{path}: is a folder; give the .tflite files in it")
            issues[path] = lint(Path(path))
        except InputError as error:
            errors.append(error)
    return issues, errors


def refuse(issues: dict[str, list[LintIssue]]) -> None:
    """Raises GateFailed for the first issue of severity error."""
    for path, found in issues.items():
        for issue in found:
            if issue.severity == "error":
                raise GateFailed(f"{path}: {issue}")


def as_json(issues: dict[str, list[LintIssue]]) -> dict[str, list[dict[str, Any]]]:
    return {path: [asdict(item) for item in found] for path, found in issues.items()}

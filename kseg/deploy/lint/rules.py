"""What in a .tflite file keeps it from running, or from running fast, and where.

Errors are what no plain interpreter takes; warnings what one device leaves to the CPU
or refuses, and what makes a graph slower than it need be; notes what follows from the
kind of file, a float file on an Edge TPU say.
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

ANY, SPEED = "any", "speed"
MEDIAPIPE, OLD = "MediaPipe", "tflite-runtime 2.14"
ON_GPU, ON_EDGE_TPU = "LiteRT GPU", "Edge TPU"
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class LintIssue:
    """One thing that is wrong: where first, and how often."""

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


Problem = tuple[Tensor, str]
Rule = Callable[[Operator, Graph], Iterator[Problem]]


def runs_nowhere(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """What no interpreter takes that has TFLite's own operators alone."""
    first = operator.outputs[0] if operator.outputs else operator.inputs[0]
    if operator.custom and operator.name.startswith("Flex"):
        yield first, "is TensorFlow's: convert to builtin operators alone"
    elif operator.custom:
        yield first, "is a custom operator: only a program that brings it runs it"
    elif operator.name.startswith("no. "):
        yield first, "is an operator that LiteRT's schema does not name"
    for tensor in operator.tensors:
        if tensor.dynamic:
            yield tensor, "has no fixed size: convert with a static signature, batch 1"
        if tensor.constant and tensor.dtype == "int8" and any(tensor.zero_points[1:]):
            yield tensor, "weights per channel must have zero points of 0"
    if operator.name in ("ARG_MAX", "ARG_MIN") and operator.inputs[0].dtype == "int16":
        yield operator.inputs[0], "has no int16 kernel: export logits, or as int8"


def slows(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """What a converter could have left out."""
    given, made = operator.inputs[:1], operator.outputs[:1]
    if not given or not made or given[0].constant:
        return
    before, ends = given[0].maker, made[0] in graph.outputs or given[0] in graph.inputs
    floats = [t for t in operator.activations if t.dtype in FLOATS]
    if operator.name not in CONVERSIONS and floats and graph.integer:
        yield floats[0], "computes in floats, in a graph of integers"
    if operator.name == "QUANTIZE" and before and before.name == "DEQUANTIZE":
        yield made[0], "quantizes anew what was dequantized before it"
    elif operator.name == "QUANTIZE" and given[0].dtype in QUANTIZED and not ends:
        yield made[0], "rescales inside the graph"
    if operator.name == "TRANSPOSE":
        yield made[0], "moves every number and computes nothing"
    if before and before.name in FUSING and len(given[0].users) == 1:
        plain = not before.option("fusedActivationFunction")
        if operator.name in ("RELU", "RELU6") and plain:
            yield made[0], f"could be part of the {before.name} before it"
        factors = [tensor for tensor in operator.inputs if tensor.constant]
        by_channel = factors and factors[0].shape == made[0].shape[-1:]
        if operator.name == "MUL" and before.name in CONVOLUTIONS and by_channel:
            yield made[0], f"scales what the {before.name} before it could scale itself"


def not_on_gpu(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """Measured with LiteRT 2.3's accelerator: types, dimensions; else the CPU's."""
    if operator.name not in GPU:
        yield operator.outputs[0], "is not among its operators"
        return
    for tensor in operator.activations:
        if tensor.dtype not in GPU_TYPES:
            yield tensor, f"{tensor.dtype} is not taken"
        elif len(tensor.shape) > 4:
            yield tensor, "more than 4 dimensions are not taken"


def not_on_edge_tpu(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """Its compiler leaves this operator, and all that come after it, to the CPU."""
    name, made = operator.name, operator.outputs[0]
    if name not in EDGE_TPU:
        yield made, "is not among its operators"
        return
    for tensor in operator.activations:
        if tensor.dtype not in BYTES:
            yield tensor, f"{tensor.dtype} is not taken"
        elif any(side > 1 for side in tensor.shape[:-3]):
            yield tensor, "a batch over 1, or more than 3 dimensions, is not taken"
    pools = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION")
    if name in pools and operator.option("fusedActivationFunction"):
        yield made, "with an activation of its own it is not taken"
    dilations = [operator.option(f"dilation{side}Factor", 1) for side in ("H", "W")]
    if dilations[0] != dilations[1]:
        yield made, "dilation must be equal down and across"
    if name == "SOFTMAX" and (
        any(side > 1 for side in made.shape[:-1]) or made.shape[-1] > EDGE_TPU_SOFTMAX
    ):
        yield made, f"more than one dimension, or {EDGE_TPU_SOFTMAX}, is not taken"
    if name.startswith("RESIZE"):
        yield made, "may stay on the CPU, by its size"


def not_on_old(operator: Operator, graph: Graph) -> Iterator[Problem]:
    """What tflite-runtime 2.14 cannot run."""
    if operator.custom:
        return
    made = operator.outputs[0]
    known = RUNTIME_2_14.get(operator.name, 0)
    if operator.version > known:
        knows = f"version {known}" if known else "none"
        yield made, f"is version {operator.version}; it knows {knows}"
    for tensor in operator.tensors:
        if tensor.dtype not in TYPES_2_14:
            yield tensor, f"it knows no {tensor.dtype}"
    if operator.name == "TRANSPOSE_CONV" and len(operator.inputs) > 2:
        weights, given = operator.inputs[1:3]
        if weights.dtype == "int8" and given.dtype == "float32":
            yield weights, "it takes no int8 weights with float32 pictures"


RULES: tuple[tuple[str, str, Rule], ...] = (
    ("error", ANY, runs_nowhere),
    ("warning", SPEED, slows),
    ("warning", OLD, not_on_old),
    ("warning", ON_GPU, not_on_gpu),
    ("warning", ON_EDGE_TPU, not_on_edge_tpu),
)


def lint(path: Path) -> list[LintIssue]:
    """All that is wrong with a .tflite file, the worst first; each kind once.

    Raises InputError for a file that is missing, damaged or no TFLite model.
    """
    graphs = read_graphs(Path(path))
    found = [finding for graph in graphs for finding in of_graph(graph)]
    found += of_ends(graphs[0])
    if not any(finding.severity == "error" for finding in found):
        found += of_interpreter(Path(path))
    return sorted(counted(found), key=lambda item: SEVERITIES.index(item.severity))


def of_graph(graph: Graph) -> Iterator[LintIssue]:
    for severity, device, rule in RULES:
        if device == ON_EDGE_TPU and not graph.integer:
            reason = "computes in floats, it takes int8: export --quantize int8"
            yield LintIssue("note", device, "", "", reason)
            continue
        for operator in graph.operators:
            for tensor, problem in rule(operator, graph):
                yield LintIssue(severity, device, operator.name, tensor.name, problem)


def of_ends(graph: Graph) -> Iterator[LintIssue]:
    """MediaPipe's ImageSegmenter takes the last of four dimensions for the classes."""
    outputs = graph.outputs
    if len(outputs) != 1 or len(outputs[0].shape) != 4 or outputs[0].dtype == "int64":
        shapes = ", ".join(f"{t.dtype} {list(t.shape)}" for t in outputs)
        reason = (
            f"gives {shapes}; ImageSegmenter wants scores [1, height, width, "
            "classes]: export --head probabilities"
        )
        yield LintIssue("note", MEDIAPIPE, "", "", reason)


def of_interpreter(path: Path) -> Iterator[LintIssue]:
    """What LiteRT says of a file, which XNNPACK alone may refuse."""
    from ai_edge_litert.interpreter import OpResolverType

    of_xnnpack = refused(path, OpResolverType.AUTO)
    if not of_xnnpack:
        return
    if refusal := refused(path, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        yield LintIssue("error", ANY, "", "", f"LiteRT refuses it: {refusal}")
    else:
        reason = "XNNPACK refuses it, so TFLite's own kernels run it, slower: are the "
        reason += f"scales of a layer far apart? ({of_xnnpack})"
        yield LintIssue("warning", SPEED, "", "", reason)


def refused(path: Path, resolver: Any) -> Optional[str]:
    """What LiteRT says of a file that it cannot prepare; None where it can."""
    from ai_edge_litert.interpreter import Interpreter

    with suppress_native_log():
        try:
            Interpreter(
                model_path=str(path), experimental_op_resolver_type=resolver
            ).allocate_tensors()
        except (ValueError, RuntimeError) as error:
            return one_line(error)
    return None


def counted(findings: Sequence[LintIssue]) -> list[LintIssue]:
    """Equal ones as the first of them and how many there are."""
    kinds = [(f.severity, f.device, f.operator, f.problem) for f in findings]
    firsts = dict(zip(reversed(kinds), reversed(findings), strict=True))
    counts = Counter(kinds)  # in the order of their first
    return [replace(firsts[kind], count=count) for kind, count in counts.items()]


def warn(path: Path, name: str) -> None:
    """Says what there is to say of an exported file, a line for each device.

    `name` is what the file will be called. Raises GateFailed for one that no plain
    interpreter takes.
    """
    findings = [f for f in lint(path) if f.severity != "note"]
    refuse({name: findings})
    for device in dict.fromkeys(finding.device for finding in findings):
        first, *more = (f for f in findings if f.device == device)
        kinds = f" (and {len(more)} more; see --check)" if more else ""
        log.warning(f"{name}: {first}{kinds}")


def check(paths: Sequence[str]) -> tuple[dict[str, list[LintIssue]], list[InputError]]:
    """What is wrong with each file that can be read, and why others cannot."""
    findings, refusals = {}, []
    for path in paths:
        try:
            if Path(path).is_dir():
                raise InputError(f"{path}: is a folder; name the .tflite files in it")
            findings[path] = lint(Path(path))
        except InputError as refusal:
            refusals.append(refusal)
    return findings, refusals


def refuse(findings: dict[str, list[LintIssue]]) -> None:
    """Raises GateFailed for the first error there is."""
    for path, found in findings.items():
        for finding in found:
            if finding.severity == "error":
                raise GateFailed(f"{path}: {finding}")


def as_json(findings: dict[str, list[LintIssue]]) -> dict[str, list[dict[str, Any]]]:
    return {path: [asdict(item) for item in found] for path, found in findings.items()}

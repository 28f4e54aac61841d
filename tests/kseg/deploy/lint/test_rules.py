"""Graphs made by hand, each with one problem, and files of other projects."""

import json

import numpy as np
import pytest

from edge.core.errors import GateFailed, InputError
from kseg.cli.export import main
from kseg.deploy.lint import rules
from kseg.deploy.lint.devices import RUNTIME_2_14, TYPES_2_14
from kseg.deploy.lint.graph import read_graphs
from kseg.deploy.lint.rules import (
    ACCURACY,
    ANY,
    MEDIAPIPE,
    OLD_RUNTIME,
    ON_EDGE_TPU,
    ON_GPU,
    SPEED,
    check_graph,
    log_warnings,
    refuse,
)
from tests.support.environments import run
from tests.support.tflite import far_scales, operator, tensor, tflite

BYTES = tensor("int8")
INT64 = ("ArgMaxOptions", {"outputType": 4})
RELU = {"fusedActivationFunction": 1}


def weights(dtype="int8", **options):
    return tensor(dtype, (8, 1, 1, 8), np.zeros(64, np.int8), **options)


def conv(inputs, output, version=3, **options):
    options = ("Conv2DOptions", {"strideH": 1, "strideW": 1, **options})
    return operator("CONV_2D", inputs, output, version, options)


def written(tmp_path, tensors, operators):
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite(tensors, operators))
    return path


def found(path):
    """{(device, operator, tensor): problem} of errors and warnings of the rules."""
    (graph,) = read_graphs(path)
    issues = [f for f in check_graph(graph) if f.severity != "note"]
    return {(f.device, f.operator, f.tensor): f.problem for f in issues}


CLEAN = {"in": BYTES, "w": weights(zero_points=(0,) * 8), "out": BYTES}


def test_a_plain_integer_convolution_has_no_issues(tmp_path):
    assert not found(written(tmp_path, CLEAN, [conv(["in", "w"], "out")]))


# Name: the tensors (the first is the input, the last the output), the
# operators, and (device, operator, tensor, a part of the problem) of each issue.
WRONG = {
    "flex": (
        {"in": tensor(), "out": tensor()},
        [operator("FlexErf", ["in"], "out")],
        [(ANY, "FlexErf", "out", "(Flex)"), (ON_GPU, "FlexErf", "out", "not")],
    ),
    "custom": (
        {"in": tensor(), "out": tensor()},
        [operator("MaxPoolWithArgmax", ["in"], "out")],
        [
            (ANY, "MaxPoolWithArgmax", "out", "custom"),
            (ON_GPU, "MaxPoolWithArgmax", "out", "operator not"),
        ],
    ),
    "free batch": (
        {"in": tensor(dynamic=True), "out": tensor()},
        [operator("TANH", ["in"], "out")],
        [(ANY, "TANH", "in", "dynamic shape")],
    ),
    "zero points of weights": (
        {**CLEAN, "w": weights(zero_points=(0, -127, *[0] * 6))},
        [conv(["in", "w"], "out")],
        [(ANY, "CONV_2D", "w", "zero points of per-channel")],
    ),
    "argmax of int16": (
        {"in": tensor("int16"), "out": tensor("int32", (1, 4, 4))},
        [operator("ARG_MAX", ["in"], "out")],
        [
            (ANY, "ARG_MAX", "in", "no int16 kernel"),
            (ON_GPU, "ARG_MAX", "in", "int16 not supported"),
        ],
    ),
    "a float island": (
        {**CLEAN, "float": tensor(), "tanh": tensor(), "last": BYTES},
        [
            conv(["in", "w"], "out"),
            operator("DEQUANTIZE", ["out"], "float"),
            operator("TANH", ["float"], "tanh"),
            operator("QUANTIZE", ["tanh"], "last"),
        ],
        [
            (SPEED, "TANH", "float", "computes in float"),
            (ON_EDGE_TPU, "DEQUANTIZE", "float", "operator not"),
            (ON_EDGE_TPU, "TANH", "float", "float32 not supported"),
            (ON_EDGE_TPU, "TANH", "tanh", "float32 not supported"),
            (ON_EDGE_TPU, "QUANTIZE", "tanh", "float32 not supported"),
        ],
    ),
    "a pair of conversions": (
        {**CLEAN, "float": tensor(), "last": BYTES},
        [
            conv(["in", "w"], "out"),
            operator("DEQUANTIZE", ["out"], "float"),
            operator("QUANTIZE", ["float"], "last"),
        ],
        [
            (SPEED, "QUANTIZE", "last", "just dequantized"),
            (ON_EDGE_TPU, "DEQUANTIZE", "float", "operator not"),
            (ON_EDGE_TPU, "QUANTIZE", "float", "float32 not supported"),
        ],
    ),
    "another scale inside": (
        {**CLEAN, "scaled": BYTES, "last": BYTES},
        [
            conv(["in", "w"], "out"),
            operator("QUANTIZE", ["out"], "scaled"),
            conv(["scaled", "w"], "last"),
        ],
        [(SPEED, "QUANTIZE", "scaled", "rescales")],
    ),
    "operators that could be fused": (
        {
            "in": BYTES,
            "w": weights(),
            "made": BYTES,
            "scale": tensor("int8", (8,), np.ones(8, np.int8)),
            "scaled": BYTES,
            "relu": BYTES,
            "turned": BYTES,
        },
        [
            conv(["in", "w"], "made"),
            operator("MUL", ["made", "scale"], "scaled", options=("MulOptions", {})),
            operator("RELU", ["scaled"], "relu"),
            operator("TRANSPOSE", ["relu"], "turned"),
        ],
        [
            (SPEED, "MUL", "scaled", "the preceding CONV_2D"),
            (SPEED, "RELU", "relu", "fused into the preceding MUL"),
            (SPEED, "TRANSPOSE", "turned", "copies the tensor"),
        ],
    ),
    "int64 labels": (
        {
            "in": tensor(),
            "axis": tensor("int32", (1,), np.int32([3])),
            "out": tensor("int64", (1, 4, 4)),
        },
        [operator("ARG_MAX", ["in", "axis"], "out", 1, INT64)],
        [(ON_GPU, "ARG_MAX", "out", "int64 not supported")],
    ),
    "five dimensions": (
        {"in": tensor(), "out": tensor(shape=(1, 4, 1, 4, 8))},
        [operator("RESHAPE", ["in"], "out")],
        [(ON_GPU, "RESHAPE", "out", "more than 4 dimensions")],
    ),
    "an operator that a GPU does not support": (
        {"in": tensor(), "out": tensor()},
        [operator("SPACE_TO_BATCH_ND", ["in"], "out")],
        [(ON_GPU, "SPACE_TO_BATCH_ND", "out", "operator not")],
    ),
    "an operator that an Edge TPU does not support": (
        {**CLEAN, "labels": tensor("int32", (1, 4, 4))},
        [conv(["in", "w"], "out"), operator("ARG_MAX", ["out"], "labels")],
        [(ON_EDGE_TPU, "ARG_MAX", "labels", "operator not")],
    ),
    "limits of an Edge TPU": (
        {
            **CLEAN,
            "pool": BYTES,
            "soft": BYTES,
            "large": tensor("int8", (1, 8, 8, 8)),
            "batch": tensor("int8", (2, 4, 8, 8)),
        },
        [
            conv(["in", "w"], "out", dilationHFactor=1, dilationWFactor=2),
            operator("MAX_POOL_2D", ["out"], "pool", options=("Pool2DOptions", RELU)),
            operator("SOFTMAX", ["pool"], "soft"),
            operator("RESIZE_BILINEAR", ["soft"], "large"),
            operator("RESHAPE", ["large"], "batch"),
        ],
        [
            (ON_EDGE_TPU, "CONV_2D", "out", "dilation must be equal"),
            (ON_EDGE_TPU, "MAX_POOL_2D", "pool", "fused activation"),
            (ON_EDGE_TPU, "SOFTMAX", "soft", "more than 1 dimension or 16000"),
            (ON_EDGE_TPU, "RESIZE_BILINEAR", "large", "may run on the CPU"),
            (ON_EDGE_TPU, "RESHAPE", "batch", "batch size over 1"),
        ],
    ),
    "versions that tflite-runtime 2.14 does not support": (
        {"in": tensor(), "w": weights("float32"), "out": tensor(), "last": tensor()},
        [
            conv(["in", "w"], "out", version=8),
            operator("STABLEHLO_CBRT", ["out"], "last"),
        ],
        [
            (OLD_RUNTIME, "CONV_2D", "out", "version 8 not supported; newest is 7"),
            (OLD_RUNTIME, "STABLEHLO_CBRT", "last", "operator not"),
            (ON_GPU, "STABLEHLO_CBRT", "last", "operator not"),
        ],
    ),
    "types that it does not support": (
        {"in": tensor(), "w": weights("int2"), "out": tensor()},
        [conv(["in", "w"], "out")],
        [(OLD_RUNTIME, "CONV_2D", "w", "int2 not supported")],
    ),
    "transposed convolution of dynamic range": (
        {
            "in": tensor(),
            "size": tensor("int32", (4,), np.int32([1, 4, 4, 8])),
            "w": weights(),
            "out": tensor(),
        },
        [operator("TRANSPOSE_CONV", ["size", "w", "in"], "out")],
        [(OLD_RUNTIME, "TRANSPOSE_CONV", "w", "int8 weights with float32 input")],
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_each_problem_is_found_and_no_other(tmp_path, kind):
    tensors, operators, expected = WRONG[kind]
    problems = found(written(tmp_path, tensors, operators))
    assert set(problems) == {(device, name, t) for device, name, t, _ in expected}
    for device, name, t, part in expected:
        assert part in problems[device, name, t]


# Similar graphs without the problem.
RIGHT = {
    "a conversion at the end": (
        {**CLEAN, "last": tensor("uint8")},
        [conv(["in", "w"], "out"), operator("QUANTIZE", ["out"], "last")],
    ),
    "a ReLU whose input has other readers": (
        {**CLEAN, "relu": BYTES, "sum": BYTES},
        [
            conv(["in", "w"], "out"),
            operator("RELU", ["out"], "relu"),
            operator("ADD", ["relu", "out"], "sum", options=("AddOptions", {})),
        ],
    ),
    "weights of one scale may have a zero point": (
        {**CLEAN, "w": weights(zero_points=(-3,))},
        [conv(["in", "w"], "out")],
    ),
    "versions that tflite-runtime 2.14 supports": (
        CLEAN,
        [conv(["in", "w"], "out", 7)],
    ),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_graphs_without_a_problem_have_no_issues(tmp_path, kind):
    assert not found(written(tmp_path, *RIGHT[kind]))


ADD = operator("ADD", ["in", "more"], "out", options=("AddOptions", {}))


def addition(tmp_path, more):
    tensors = {"in": tensor(), "more": tensor(shape=more), "out": tensor()}
    tensors["more"]["content"] = np.zeros(more, np.float32)
    return written(tmp_path, tensors, [ADD])


def test_a_float_network_is_a_note_for_an_edge_tpu(tmp_path):
    (note,) = rules.lint(addition(tmp_path, (8,)))
    assert (note.severity, note.device) == ("note", ON_EDGE_TPU)


def test_a_file_that_litert_cannot_load_is_an_error(tmp_path):
    error, *_ = rules.lint(addition(tmp_path, (1, 3, 3, 8)))
    assert (error.severity, error.device) == ("error", ANY)
    assert error.problem.startswith("LiteRT cannot load it: ")


def test_equal_issues_are_counted(tmp_path):
    names = ["in", "a", "b", "out"]
    tensors = {name: tensor("int64") for name in names}
    steps = zip(names[:-1], names[1:], strict=True)
    path = written(tmp_path, tensors, [operator("NEG", [a], b) for a, b in steps])
    (issue,) = (f for f in rules.lint(path) if f.device == ON_GPU)
    assert (issue.tensor, issue.count) == ("in", 6)
    assert str(issue) == "LiteRT GPU: NEG (in) and 5 more: int64 not supported"


def test_deeplab(deeplab):
    issues = rules.lint(deeplab)
    places = {(f.severity, f.device, f.operator) for f in issues}
    assert (
        "warning",
        ON_GPU,
        "ARG_MAX",
    ) in places  # LiteRT's accelerator reports the same
    assert ("warning", ON_EDGE_TPU, "ARG_MAX") in places
    assert ("note", MEDIAPIPE, "") in places
    assert not [f for f in issues if f.severity == "error" or f.device == OLD_RUNTIME]


def test_a_model_that_no_interpreter_loads(shared, capsys):
    path = shared / "models" / "broken_zero_point.tflite"
    with pytest.raises(
        GateFailed, match="CONV_2D .*zero points of per-channel"
    ) as error:
        main(["--check", str(path)])
    assert "\n" not in str(error.value)
    assert "CONV_2D" in capsys.readouterr().out


@pytest.mark.slow
def test_exports_have_no_issues_but_for_edge_tpus(exported, caplog):
    for scheme, expected in {"float32": set(), "int8": {ON_EDGE_TPU}}.items():
        issues = rules.lint(exported / f"{scheme}.tflite")
        assert {f.device for f in issues if f.severity != "note"} == expected
        log_warnings(exported / f"{scheme}.tflite", "a")
    assert not caplog.text


def test_the_table_and_json_list_the_issues(tmp_path, capsys):
    tensors, operators, _ = WRONG["int64 labels"]
    path = written(tmp_path, tensors, operators)
    main(["--check", str(path), "--json", str(tmp_path / "found.json")])
    printed = capsys.readouterr().out
    assert str(path) in printed and "ARG_MAX" in printed and "int64" in printed
    issues = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))[
        str(path)
    ]
    assert {f["device"] for f in issues} == {ON_GPU, ON_EDGE_TPU, MEDIAPIPE}
    assert set(issues[0]) == {
        *("severity", "device", "operator", "tensor", "problem", "count")
    }


def test_exports_with_errors_are_rejected_and_warnings_are_logged(tmp_path, capsys):
    tensors, operators, _ = WRONG["int64 labels"]
    log_warnings(written(tmp_path, tensors, operators), "int8.tflite")
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "int8.tflite: LiteRT GPU: ARG_MAX (out): int64 not supported"
    tensors, operators, _ = WRONG["custom"]
    with pytest.raises(GateFailed, match="int8.tflite: any: MaxPoolWithArgmax"):
        log_warnings(written(tmp_path, tensors, operators), "int8.tflite")


@pytest.mark.parametrize("cut", [0, 7, 40, 200, -200])
def test_damaged_files_are_rejected(tmp_path, cut):
    path = tmp_path / "half.tflite"
    path.write_bytes(tflite(CLEAN, [conv(["in", "w"], "out")])[:cut])
    with pytest.raises(InputError, match="half.tflite: ") as error:
        main(["--check", str(path)])
    assert "\n" not in str(error.value)


def test_random_bytes_inside_are_rejected_or_read(tmp_path):
    data = bytearray(tflite(CLEAN, [conv(["in", "w"], "out")]))
    random = np.random.RandomState(0)
    for trial in range(60):
        wrong = bytearray(data)
        for place in random.randint(8, len(data), 8):
            wrong[place] = random.randint(256)
        path = tmp_path / f"{trial}.tflite"
        path.write_bytes(wrong)
        try:
            read_graphs(path)
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a run folder; kseg train writes one"),
        (
            ["some/run", "--check", "a.tflite"],
            "some/run: give a run folder or --check, not both",
        ),
        (["--check", "no.tflite"], "no.tflite: no such model file"),
    ],
)
def test_usage_errors_are_one_line(arguments, message):
    with pytest.raises(InputError, match=message):
        main(arguments)


LIST_SUPPORTED = """
import json, sys
from pathlib import Path
from tflite_runtime.interpreter import Interpreter

known = []
for path in sorted(Path(sys.argv[1]).glob("*.tflite")):
    try:
        Interpreter(str(path))
    except ValueError as error:
        if "Didn't find op" in str(error) or "out of range" in str(error):
            continue
    known.append(path.stem)
print(json.dumps(known))
"""


@pytest.mark.slow
def test_the_versions_are_those_of_tflite_runtime(tmp_path, tflite_runtime):
    """Loads a model of the newest version of each operator, and of the next."""
    for name, version in RUNTIME_2_14.items():
        for tried in (version, version + 1):
            model = tflite(
                {"t": tensor(shape=(1,))}, [operator(name, ["t"], "t", tried)]
            )
            (tmp_path / f"{name}-{tried}.tflite").write_bytes(model)
    done = run([str(tflite_runtime), "-c", LIST_SUPPORTED, str(tmp_path)])
    assert done.returncode == 0, done.stderr
    expected = sorted(f"{name}-{version}" for name, version in RUNTIME_2_14.items())
    assert json.loads(done.stdout.splitlines()[-1]) == expected
    assert "int4" in TYPES_2_14


@pytest.mark.parametrize(("scale", "warned"), [(0.25, False), (0.2, True)])
def test_levels_of_very_different_ranges_are_joined(tmp_path, scale, warned):
    """One of two levels has a step of `scale`, and is brought to that of 1."""
    step = {"zero_points": (0,)}
    tensors = {
        "in": tensor("int8", **step),
        "fine": tensor("int8", **step, scale=scale),
        "rows": tensor("int8", (1, 16, 8), **step, scale=scale),
        "rescaled": tensor("int8", (1, 16, 8), **step),
        "coarse": tensor("int8", (1, 16, 8), **step),
        "out": tensor("int8", (1, 32, 8), **step),
    }
    operators = [
        operator("TANH", ["in"], "fine"),
        operator("RESHAPE", ["fine"], "rows"),
        operator("QUANTIZE", ["rows"], "rescaled"),
        operator("RESHAPE", ["in"], "coarse"),
        operator("CONCATENATION", ["rescaled", "coarse"], "out"),
    ]
    (graph,) = read_graphs(written(tmp_path, tensors, operators))
    issues = [f for f in check_graph(graph) if f.device == ACCURACY]
    assert bool(issues) == warned
    if warned:
        assert issues[0].severity == "warning" and issues[0].tensor == "rescaled"
        assert "5 times as wide, which leaves it about 51 of 256" in issues[0].problem


def test_one_bad_file_does_not_hide_the_others(tmp_path, capsys):
    tensors, operators, _ = WRONG["int64 labels"]
    good = written(tmp_path, tensors, operators)
    (bad := tmp_path / "bad.tflite").write_bytes(b"no model")
    with pytest.raises(InputError, match="bad.tflite"):
        main(["--check", str(bad), str(good), str(tmp_path)])
    printed = capsys.readouterr()
    assert "ARG_MAX" in printed.out
    assert f"{tmp_path}: is a folder; give the .tflite files in it" in printed.err


def test_a_file_that_only_xnnpack_rejects_is_a_warning(tmp_path):
    """The engine's behaviour is tested in tests/edge."""
    (path := tmp_path / "far.tflite").write_bytes(far_scales(1000))
    (issue,) = [f for f in rules.lint(path) if f.device == SPEED]
    assert issue.severity == "warning"
    assert "XNNPACK cannot run it, so TFLite's slower kernels are used" in issue.problem
    refuse({"far": [issue]})
    path.write_bytes(far_scales(100))
    assert not [f for f in rules.lint(path) if f.device == SPEED]

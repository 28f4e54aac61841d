"""Sensitivity to int8: the effect on the scores of rounding one layer alone.

    kseg export saved_models/RUN --explain

Each layer is rounded alone in the Keras network: its weights to 8 bits per channel,
then its output to 8 bits over the calibrated range, as in full-integer TFLite (Jacob et
al., 2018). Layers with a large effect on the scores are those that lose accuracy in
int8. The local error that the converter's debugger reports does not show this: it is
half a step in every layer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

import keras
import numpy as np
import tensorflow as tf

from edge.core.files import atomic_write
from kseg.core.progress import shown
from kseg.models.analysis.graph import KERNELS, Graph, Step, known_kind, trace

# Fused into the preceding operator.
FUSED = ("BatchNormalization", "ReLU", "Activation")
# Layers whose output has the scale of their input: nothing is rounded there.
UNROUNDED = (
    "CropLike",
    "Cropping2D",
    "Dropout",
    "MaxPooling2D",
    "MaxUnpool",
    "PadToMultiple",
    "Reshape",
    "UpSampling2D",
    "ValidInput",
    "ZeroPadding2D",
)
Scores = list[np.ndarray]  # every output of a network for one image
CLASSES = "scores"  # of several outputs, the one whose last axis is the classes
OUT_AXES = {"DepthwiseConv2D": (2, 3), "Conv2DTranspose": (2,)}  # else the last axis


@dataclass(frozen=True)
class FusedOp:
    """Layers that become one operator.

    It has the name of the first; the output of the last is rounded.
    """

    layers: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.layers[0]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class LayerSensitivity:
    """The effect of rounding one operator alone.

    `weights` and `output` are the root mean square error of the scores, relative to
    their standard deviation, when these are rounded. `changed` is the fraction of
    pixels, or cells, whose label changes. `lost` is the fraction of output channels
    whose standard deviation is below one of the 255 steps. Of several outputs, these
    are the largest values; `errors` are those of each output by its name.
    """

    op: FusedOp
    weights: float
    output: float
    changed: float
    lost: float
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def error(self) -> float:
        return float(np.hypot(self.weights, self.output))

    def record(self) -> dict[str, Any]:
        """The entry of parity.json."""
        return {
            "layer": self.op.name,
            "error": self.error,
            "weights_error": self.weights,
            "output_error": self.output,
            "labels_changed": self.changed,
            "channels_lost": self.lost,
        }


@dataclass(frozen=True)
class Sensitivity:
    """The effect of rounding each layer alone, in the order of the network."""

    layers: list[LayerSensitivity]

    @property
    def outputs(self) -> dict[str, float]:
        """The errors of each output, summed over the layers; the largest first."""
        total: Counter[str] = Counter()
        for layer in self.layers:
            total.update(layer.errors)
        return dict(total.most_common())

    def record(self) -> dict[str, Any]:
        """What parity.json has of it; the outputs only if there are several."""
        outputs = {"outputs": self.outputs} if len(self.outputs) > 1 else {}
        return {"layers": [each.record() for each in self.layers], **outputs}

    def table(self) -> str:
        """The most sensitive layers, and below the sums of several outputs."""
        text = table(self.layers)
        if len(self.outputs) < 2:
            return text
        worst, *_ = self.outputs
        sums = ", ".join(f"{name} {error:.0%}" for name, error in self.outputs.items())
        return f"{text}\n\nerror by output, all layers: {sums}; worst is {worst}"


def find_fused_ops(graph: Graph) -> list[FusedOp]:
    """The operators that int8 rounds, in the order of the graph."""
    readers: dict[Any, list[Step]] = {}
    for step in graph.steps:
        for tensor in dict.fromkeys(step.inputs):
            readers.setdefault(tensor, []).append(step)
    ops, absorbed = [], set()
    for step in graph.steps:
        if step in absorbed or known_kind(step.layer, UNROUNDED):
            continue
        chain = [step]
        while (following := readers.get(chain[-1].outputs[0], [])) and (
            len(following) == 1 and known_kind(following[0].layer, FUSED)
        ):
            chain.append(following[0])
            absorbed.add(following[0])
        ops.append(FusedOp(tuple(each.layer.name for each in chain)))
    return ops


class Rounding(keras.layers.Layer):
    """Identity; while `on` is 1, rounds to 256 levels from `low` to `high`."""

    def build(self, _: Any) -> None:
        self.low, self.high, self.on = (
            self.add_weight(shape=(), initializer="zeros", name=name, trainable=False)
            for name in ("low", "high", "on")
        )

    def call(self, x: Any) -> Any:
        low, high = (tf.convert_to_tensor(w.value) for w in (self.low, self.high))
        return tf.cond(
            self.on.value > 0,
            lambda: tf.quantization.fake_quant_with_min_max_vars(x, low, high),
            lambda: x,
        )


class SensitivityProbe:
    """A network whose operators can be rounded one at a time."""

    def __init__(self, model: keras.Model, size: tuple[int, int]):
        self.ops = find_fused_ops(trace(model, size))
        self.layers = {layer.name: layer for layer in model.layers}
        self.names = output_names(model)
        self.roundings = {op: Rounding(dtype="float32") for op in self.ops}
        ends = {op.layers[-1]: op for op in self.ops}
        outputs: dict[FusedOp, Any] = {}

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            result = layer(*args, **kwargs)
            op = ends.get(layer.name)
            if op is None:
                return result
            outputs[op] = result
            return self.roundings[op](result)

        symbol = keras.Input(batch_shape=(1, *size, model.input_shape[-1]))
        copy = keras.models.clone_model(
            keras.Model(model.inputs, model.output),
            input_tensors=[symbol],
            clone_function=lambda layer: layer,
            call_function=call,
        )
        self._scores = tf.function(lambda x: outputs_of(copy, x))
        inside = keras.Model(copy.inputs, [outputs[op] for op in self.ops])
        self._moments = tf.function(
            lambda x: [moments(y) for y in outputs_of(inside, x)]
        )

    def calibrate(self, images: Sequence[np.ndarray]) -> dict[FusedOp, float]:
        """Sets the ranges from (H, W, C) images; returns each op's `lost` channels."""
        seen = [self._moments(as_batch(image)) for image in images]
        lost = {}
        for index, op in enumerate(self.ops):
            low, high, mean, square = (
                np.stack([np.asarray(one[index][part]) for one in seen])
                for part in range(4)
            )
            bounds = min(0.0, low.min()), max(0.0, high.max())
            deviation = np.sqrt(
                np.maximum(0, square.mean(axis=0) - mean.mean(axis=0) ** 2)
            )
            alive = deviation > 0  # constant channels do not count
            below = deviation[alive] < (bounds[1] - bounds[0]) / 255
            lost[op] = float(below.mean()) if alive.any() else 0.0
            self.roundings[op].low.assign(bounds[0])
            self.roundings[op].high.assign(bounds[1])
        return lost

    def scores(self, image: np.ndarray) -> Scores:
        """(H, W, C) uint8 -> all outputs, float32, with rounding where it is on."""
        return [np.asarray(value)[0] for value in self._scores(as_batch(image))]

    def with_output_rounded(
        self, op: FusedOp, images: Sequence[np.ndarray]
    ) -> list[Scores]:
        self.roundings[op].on.assign(1.0)
        try:
            return [self.scores(image) for image in images]
        finally:
            self.roundings[op].on.assign(0.0)

    def with_weights_rounded(
        self, op: FusedOp, images: Sequence[np.ndarray]
    ) -> list[Scores]:
        layer = self.layers[op.name]
        kind = known_kind(layer, KERNELS)
        if kind is None:
            return []
        kernels = [getattr(layer, name) for name in KERNELS[kind]]
        before = [np.asarray(kernel) for kernel in kernels]
        try:
            for kernel, value in zip(kernels, before, strict=True):
                kernel.assign(rounded_weights(value, OUT_AXES.get(kind, (-1,))))
            return [self.scores(image) for image in images]
        finally:
            for kernel, value in zip(kernels, before, strict=True):
                kernel.assign(value)


def output_names(model: keras.Model) -> list[str]:
    """The names of a network's outputs, in the order of `outputs_of`."""
    if isinstance(model.output, dict):
        return sorted(model.output)
    return list(model.output_names)


def outputs_of(model: keras.Model, x: Any) -> list[Any]:
    return tf.nest.flatten(model(x, training=False))


def moments(x: Any) -> tuple[Any, Any, Any, Any]:
    """Minimum and maximum, and per channel the mean and the mean of squares."""
    axes = list(range(x.shape.rank - 1))
    means = tf.reduce_mean(x, axes), tf.reduce_mean(x * x, axes)
    return tf.reduce_min(x), tf.reduce_max(x), *means


def as_batch(image: np.ndarray) -> Any:
    return tf.constant(image[None], tf.float32)


def rounded_weights(kernel: np.ndarray, out_axes: tuple[int, ...]) -> np.ndarray:
    """Weights rounded to 255 symmetric levels, with one scale per output channel.

    >>> kernel = np.array([[1.27, 127.0], [0.001, 50.4]])
    >>> rounded_weights(kernel, (-1,)).tolist()
    [[1.27, 127.0], [0.0, 50.0]]
    """
    kept = {axis % kernel.ndim for axis in out_axes}
    axes = tuple(axis for axis in range(kernel.ndim) if axis not in kept)
    step = np.abs(kernel).max(axis=axes, keepdims=True) / 127
    step[step == 0] = 1
    return np.round(kernel / step) * step


def sensitivity(
    model: keras.Model, size: tuple[int, int], images: Sequence[np.ndarray]
) -> Sensitivity:
    """The effect of each operator on the scores of `images`, (H, W, C) uint8."""
    probe = SensitivityProbe(model, size)
    lost = probe.calibrate(images)
    exact = [probe.scores(image) for image in images]
    layers = []
    for op in shown(probe.ops, "rounding one layer at a time", len(probe.ops)):
        by_weights = probe.with_weights_rounded(op, images)
        by_output = probe.with_output_rounded(op, images)
        weights, output = (errors_of(x, exact) for x in (by_weights, by_output))
        errors = np.hypot(weights, output).tolist()
        layers.append(
            LayerSensitivity(
                op,
                max(weights),
                max(output),
                max(changed(x, exact, probe.names) for x in (by_weights, by_output)),
                lost[op],
                dict(zip(probe.names, errors, strict=True)),
            )
        )
    return Sensitivity(layers)


def errors_of(scores: Sequence[Scores], exact: Sequence[Scores]) -> list[float]:
    """Root mean square error of each output, relative to its standard deviation.

    All 0 without scores.
    """
    if not scores:
        return [0.0] * len(exact[0])
    return list(map(error_of_output, by_output(scores), by_output(exact)))


def error_of_output(found: Sequence[np.ndarray], exact: Sequence[np.ndarray]) -> float:
    """The relative error of one output over all images."""
    pairs = zip(found, exact, strict=True)
    square = np.mean([np.mean((a - b) ** 2, dtype=np.float64) for a, b in pairs])
    return float(np.sqrt(square) / max(np.std(exact, dtype=np.float64), 1e-12))


def changed(
    scores: Sequence[Scores], exact: Sequence[Scores], names: Sequence[str]
) -> float:
    """The fraction of pixels or cells with another largest score.

    Of several outputs that of CLASSES counts, or the largest fraction of all.
    """
    shares = {
        name: np.mean(
            [(a.argmax(-1) != b.argmax(-1)).mean() for a, b in zip(*pair, strict=True)]
        )
        for name, *pair in zip(names, by_output(scores), by_output(exact), strict=False)
    }
    return float(shares.get(CLASSES, max(shares.values(), default=0.0)))


def by_output(scores: Sequence[Scores]) -> list[tuple[np.ndarray, ...]]:
    """Outputs by image -> images by output."""
    return list(zip(*scores, strict=True))


def worst_first(layers: Sequence[LayerSensitivity]) -> list[LayerSensitivity]:
    return sorted(layers, key=lambda layer: layer.error, reverse=True)


def table(layers: Sequence[LayerSensitivity], most: int = 12) -> str:
    """A table of the most sensitive layers."""
    from tabulate import tabulate

    rows = [
        (
            layer.op.name,
            f"{layer.error:.2%}",
            f"{layer.weights:.2%}",
            f"{layer.output:.2%}",
            f"{layer.changed:.2%}",
            f"{layer.lost:.0%}",
        )
        for layer in worst_first(layers)[:most]
    ]
    header = (
        f"one layer in int8 (worst of {len(layers)})",
        "score error",
        "weights only",
        "output only",
        "labels changed",
        "channels lost",
    )
    align = ("left", *["right"] * 5)
    return tabulate(rows, header, colalign=align, disable_numparse=True)


def draw(path: Path, layers: Sequence[LayerSensitivity]) -> None:
    """Draws the error by layer, in the order of the network; labels the worst."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(7, 0.16 * len(layers)), 4.5), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(layers))
    for offset, kind in ((-0.2, "weights"), (0.2, "output")):
        heights = [100 * getattr(layer, kind) for layer in layers]
        axes.bar(places + offset, heights, 0.4, label=f"{kind} rounded")
    named = {id(layer) for layer in worst_first(layers)[:8]}
    labels = [x.op.name if id(x) in named else "" for x in layers]
    axes.set_xticks(places, labels, rotation=60, ha="right", fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("RMS error of the scores,\n% of their standard deviation")
    axes.set_title("Score error with one layer rounded to int8, from input to output")
    axes.margins(x=0.01)
    axes.legend(frameon=False)
    with atomic_write(path) as part:
        figure.savefig(part, dpi=120, bbox_inches="tight")

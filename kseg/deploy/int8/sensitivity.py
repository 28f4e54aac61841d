"""Where int8 hurts: what rounding one layer alone does to the scores.

    kseg export saved_models/RUN --explain

Each layer is rounded by itself, in the Keras network: its weights to 8 bits per
channel, then its output to 8 bits over the range that calibration showed, as
full-integer TFLite does (Jacob et al., 2018). A layer whose rounding alone moves the
scores is one that int8 suffers from; local error, which the converter's own debugger
reports, is half a step in every layer and tells nothing of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import keras
import numpy as np
import tensorflow as tf

from edge.core.files import atomic_write
from kseg.core.progress import bar
from kseg.models.analysis.graph import KERNELS, Graph, Step, known_kind, trace

FUSED = ("BatchNormalization", "ReLU", "Activation")  # into the operator before them
# What hands its input on at the same scale: nothing is rounded there.
UNROUNDED = (
    "CropLike",
    "Cropping2D",
    "Dropout",
    "MaxPooling2D",
    "MaxUnpool",
    "PadToMultiple",
    "UpSampling2D",
    "ValidInput",
    "ZeroPadding2D",
)
Scores = list[np.ndarray]  # every output of a network for one image
OUT_AXES = {"DepthwiseConv2D": (2, 3), "Conv2DTranspose": (2,)}  # else the last


@dataclass(frozen=True)
class FusedOp:
    """Layers that become one operator; `layers[0]` names it, the last one's output is
    rounded."""

    layers: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.layers[0]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class LayerSensitivity:
    """What rounding one spot alone does.

    `weights` and `output` are the error of the scores, root mean square, as a share of
    their deviation; `changed` the share of pixels with another label; `lost` the share
    of the output's channels whose deviation is below one step of its 8 bits.
    """

    spot: FusedOp
    weights: float
    output: float
    changed: float
    lost: float

    @property
    def error(self) -> float:
        return float(np.hypot(self.weights, self.output))

    def record(self) -> dict[str, Any]:
        """As it is kept in parity.json."""
        return {
            "layer": self.spot.name,
            "error": self.error,
            "weights_error": self.weights,
            "output_error": self.output,
            "labels_changed": self.changed,
            "channels_lost": self.lost,
        }


def find_fused_ops(graph: Graph) -> list[FusedOp]:
    """The operators that int8 rounds, in the graph's order."""
    readers: dict[Any, list[Step]] = {}
    for step in graph.steps:
        for tensor in dict.fromkeys(step.inputs):
            readers.setdefault(tensor, []).append(step)
    spots, absorbed = [], set()
    for step in graph.steps:
        if step in absorbed or known_kind(step.layer, UNROUNDED):
            continue
        chain = [step]
        while (following := readers.get(chain[-1].outputs[0], [])) and (
            len(following) == 1 and known_kind(following[0].layer, FUSED)
        ):
            chain.append(following[0])
            absorbed.add(following[0])
        spots.append(FusedOp(tuple(each.layer.name for each in chain)))
    return spots


class Rounding(keras.layers.Layer):
    """Its input; rounded to 256 levels from `low` to `high` while `on` is 1."""

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
    """A network whose layers can be rounded one at a time."""

    def __init__(self, model: keras.Model, size: tuple[int, int]):
        self.spots = find_fused_ops(trace(model, size))
        self.layers = {layer.name: layer for layer in model.layers}
        self.roundings = {spot: Rounding(dtype="float32") for spot in self.spots}
        ends = {spot.layers[-1]: spot for spot in self.spots}
        outputs: dict[FusedOp, Any] = {}

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            result = layer(*args, **kwargs)
            spot = ends.get(layer.name)
            if spot is None:
                return result
            outputs[spot] = result
            return self.roundings[spot](result)

        symbol = keras.Input(batch_shape=(1, *size, model.input_shape[-1]))
        copy = keras.models.clone_model(
            keras.Model(model.inputs, model.output),
            input_tensors=[symbol],
            clone_function=lambda layer: layer,
            call_function=call,
        )
        self._scores = tf.function(lambda x: outputs_of(copy, x))
        inside = keras.Model(copy.inputs, [outputs[spot] for spot in self.spots])
        self._moments = tf.function(
            lambda x: [moments(y) for y in outputs_of(inside, x)]
        )

    def calibrate(self, images: Sequence[np.ndarray]) -> dict[FusedOp, float]:
        """Sets each range from images (H, W, C); the share of channels lost in it."""
        seen = [self._moments(as_batch(image)) for image in images]
        lost = {}
        for index, spot in enumerate(self.spots):
            low, high, mean, square = (
                np.stack([np.asarray(one[index][part]) for one in seen])
                for part in range(4)
            )
            bounds = min(0.0, low.min()), max(0.0, high.max())
            deviation = np.sqrt(
                np.maximum(0, square.mean(axis=0) - mean.mean(axis=0) ** 2)
            )
            alive = deviation > 0  # a channel that never moves has nothing to lose
            below = deviation[alive] < (bounds[1] - bounds[0]) / 255
            lost[spot] = float(below.mean()) if alive.any() else 0.0
            self.roundings[spot].low.assign(bounds[0])
            self.roundings[spot].high.assign(bounds[1])
        return lost

    def scores(self, image: np.ndarray) -> Scores:
        """(H, W, C) uint8 -> every output float32, rounded where switched on."""
        return [np.asarray(value)[0] for value in self._scores(as_batch(image))]

    def with_output_rounded(
        self, spot: FusedOp, images: Sequence[np.ndarray]
    ) -> list[Scores]:
        self.roundings[spot].on.assign(1.0)
        try:
            return [self.scores(image) for image in images]
        finally:
            self.roundings[spot].on.assign(0.0)

    def with_weights_rounded(
        self, spot: FusedOp, images: Sequence[np.ndarray]
    ) -> list[Scores]:
        layer = self.layers[spot.name]
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


def outputs_of(model: keras.Model, x: Any) -> list[Any]:
    return tf.nest.flatten(model(x, training=False))


def moments(x: Any) -> tuple[Any, Any, Any, Any]:
    """Least and largest value, and per channel the mean and the mean of squares."""
    axes = list(range(x.shape.rank - 1))
    means = tf.reduce_mean(x, axes), tf.reduce_mean(x * x, axes)
    return tf.reduce_min(x), tf.reduce_max(x), *means


def as_batch(image: np.ndarray) -> Any:
    return tf.constant(image[None], tf.float32)


def rounded_weights(kernel: np.ndarray, out_axes: tuple[int, ...]) -> np.ndarray:
    """Weights at the nearest of 255 levels, symmetric, a scale per output channel.

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
) -> list[LayerSensitivity]:
    """Every operator's own effect on the scores of `images` (H, W, C) uint8.

    In the network's order.
    """
    probe = SensitivityProbe(model, size)
    lost = probe.calibrate(images)
    exact = [probe.scores(image) for image in images]
    findings = []
    for spot in bar(probe.spots, "rounding one layer at a time"):
        by_weights = probe.with_weights_rounded(spot, images)
        by_output = probe.with_output_rounded(spot, images)
        findings.append(
            LayerSensitivity(
                spot,
                error_of(by_weights, exact),
                error_of(by_output, exact),
                max(changed(by_weights, exact), changed(by_output, exact)),
                lost[spot],
            )
        )
    return findings


def error_of(scores: Sequence[Scores], exact: Sequence[Scores]) -> float:
    """Root mean square of the difference over the deviation of `exact`.

    Of several outputs the worst counts.
    """
    return max(map(error_of_output, by_output(scores), by_output(exact)), default=0.0)


def error_of_output(found: Sequence[np.ndarray], exact: Sequence[np.ndarray]) -> float:
    """The same of one output over all images."""
    pairs = zip(found, exact, strict=True)
    square = np.mean([np.mean((a - b) ** 2, dtype=np.float64) for a, b in pairs])
    return float(np.sqrt(square) / max(np.std(exact, dtype=np.float64), 1e-12))


def changed(scores: Sequence[Scores], exact: Sequence[Scores]) -> float:
    """The share of cells whose largest score is another; the worst of the outputs."""
    shares = [
        np.mean(
            [(a.argmax(-1) != b.argmax(-1)).mean() for a, b in zip(*pair, strict=True)]
        )
        for pair in zip(by_output(scores), by_output(exact), strict=False)
    ]
    return float(max(shares, default=0.0))


def by_output(scores: Sequence[Scores]) -> list[tuple[np.ndarray, ...]]:
    """Outputs by image -> of each output the arrays of all images."""
    return list(zip(*scores, strict=True))


def worst_first(findings: Sequence[LayerSensitivity]) -> list[LayerSensitivity]:
    return sorted(findings, key=lambda finding: finding.error, reverse=True)


def table(findings: Sequence[LayerSensitivity], most: int = 12) -> str:
    """The worst layers for people."""
    from tabulate import tabulate

    rows = [
        (
            finding.spot.name,
            f"{finding.error:.2%}",
            f"{finding.weights:.2%}",
            f"{finding.output:.2%}",
            f"{finding.changed:.2%}",
            f"{finding.lost:.0%}",
        )
        for finding in worst_first(findings)[:most]
    ]
    header = (
        f"int8 in one layer alone (worst of {len(findings)})",
        "error of scores",
        "by weights",
        "by output",
        "labels changed",
        "channels lost",
    )
    align = ("left", *["right"] * 5)
    return tabulate(rows, header, colalign=align, disable_numparse=True)


def draw(path: Path, findings: Sequence[LayerSensitivity]) -> None:
    """A picture of the error by layer, in the network's order, the worst named."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(7, 0.16 * len(findings)), 4.5), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(findings))
    for offset, kind in ((-0.2, "weights"), (0.2, "output")):
        heights = [100 * getattr(finding, kind) for finding in findings]
        axes.bar(places + offset, heights, 0.4, label=f"{kind} rounded")
    named = {id(finding) for finding in worst_first(findings)[:8]}
    labels = [x.spot.name if id(x) in named else "" for x in findings]
    axes.set_xticks(places, labels, rotation=60, ha="right", fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("error of the scores, % of their deviation")
    axes.set_title("What int8 costs in each layer alone, from image to scores")
    axes.margins(x=0.01)
    axes.legend(frameon=False)
    with atomic_write(path) as part:
        figure.savefig(part, dpi=120)

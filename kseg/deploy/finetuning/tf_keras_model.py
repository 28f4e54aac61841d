"""A Keras 3 network as the same network in tf_keras, as a device would run it.

tensorflow-model-optimization takes tf_keras models of plain layers alone. Batch norms
are folded into the convolution before them, ReLU is fused into it; padding, cropping
and enlarging are of one static size. What is trained there is brought back by
`write_back`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np
import tensorflow as tf
import tf_keras

from edge.core.errors import InputError
from kseg.models.analysis.graph import Step, Tensor, trace

Weights = dict[str, list[np.ndarray]]  # by layer: [kernel] or [kernel, bias]

SKIPPED = ("Dropout", "ValidInput")  # is left of these at inference
PICTURE = "picture"  # the layer that gives out the image as it is


@dataclass
class Convolution:
    """A convolution of the Keras 3 network, the batch norm folded into it, if any."""

    layer: Any
    norm: Optional[Any] = None

    def folded(self) -> list[np.ndarray]:
        """[kernel] or [kernel, bias], float32, as one convolution has them."""
        kernel, *bias = self.layer.get_weights()
        if self.norm is None:
            return [kernel, *bias]
        scale, shift = affine(self.norm)
        shift = shift + scale * bias[0] if bias else shift
        return [kernel * along_outputs(self.layer, scale), shift]

    def unfold(self, weights: list[np.ndarray]) -> None:
        """Gives the layers `weights`; the batch norm becomes one that adds alone."""
        kernel, *bias = weights
        if self.norm is None:
            self.layer.set_weights(weights)
            return
        zero = np.zeros_like(bias[0])
        self.layer.set_weights([kernel, zero] if self.layer.use_bias else [kernel])
        norm, values = self.norm, []
        values += [np.ones_like(zero)] if norm.scale else []
        values += [bias[0]] if norm.center else []
        norm.set_weights([*values, zero, np.full_like(zero, 1 - norm.epsilon)])


def affine(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """A batch norm at inference: scale (C,) and shift (C,) of x * scale + shift."""
    mean, variance = (np.asarray(w) for w in (norm.moving_mean, norm.moving_variance))
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * np.asarray(norm.gamma)
    shift = -mean * scale
    return scale, shift + np.asarray(norm.beta) if norm.center else shift


def along_outputs(layer: Any, scale: np.ndarray) -> np.ndarray:
    """(C,) shaped to multiply a kernel's output channels."""
    kind = type(layer).__name__
    if kind == "DepthwiseConv2D":  # kernel (h, w, C, multiplier)
        return scale.reshape(-1, layer.depth_multiplier)
    return scale[:, None] if kind == "Conv2DTranspose" else scale  # (h, w, out, in)


class TFKerasModel:
    """The network in tf_keras, and by layer name where its weights come from."""

    def __init__(self, model: Any, convolutions: dict[str, Convolution]):
        self.model, self.convolutions = model, convolutions
        # Wrappers of tensorflow-model-optimization take them from the layers.
        self.variables = {x: model.get_layer(x).weights for x in convolutions}
        for name, convolution in convolutions.items():
            self.model.get_layer(name).set_weights(convolution.folded())

    def weights(self) -> Weights:
        """What the convolutions have now."""
        return {x: [v.numpy() for v in own] for x, own in self.variables.items()}

    def write_back(self, weights: Optional[Weights] = None) -> None:
        """Gives the Keras 3 network `weights`, by default those here."""
        weights = weights or self.weights()
        for name, convolution in self.convolutions.items():
            convolution.unfold(weights[name])


def rebuild(model: Any, size: tuple[int, int]) -> TFKerasModel:
    """The network at one size: (B, H, W, channels) in [0, 255] -> logits.

    Raises InputError for a layer that has no counterpart, with the reason.
    """
    return Builder(model, size).rebuilt


class Builder:
    """Walks over the calls of a network, in their order, and repeats them."""

    def __init__(self, model: Any, size: tuple[int, int]):
        graph = trace(model, size)
        self.steps = graph.steps
        self.readers = Counter(x for step in graph.steps for x in step.inputs)
        self.readers.update(graph.outputs)
        self.fused: set[Step] = set()
        self.convolutions: dict[str, Convolution] = {}
        self.input = tf_keras.Input((*size, graph.image.shape[-1]), name="image")
        # A layer of its own, so that its output can be quantized as any other's.
        picture = tf_keras.layers.Activation("linear", name=PICTURE)(self.input)
        self.made: dict[Tensor, Any] = {graph.image: picture}
        for step in self.steps:
            if step not in self.fused:
                self.add(step)
        outputs = self.made[graph.outputs[0]]
        network = tf_keras.Model(self.input, outputs, name=model.name)
        self.rebuilt = TFKerasModel(network, self.convolutions)

    def add(self, step: Step) -> None:
        kind = type(step.layer).__name__
        if kind == "InputLayer":
            return
        inputs = [self.made[x] for x in step.inputs]
        if kind in CONVOLUTIONS:
            self.convolve(step, kind, inputs[0])
        elif kind in SKIPPED:
            self.made[step.outputs[0]] = inputs[0]
        elif kind in COUNTERPARTS:
            self.made[step.outputs[0]] = COUNTERPARTS[kind](step, *inputs)
        else:
            raise InputError(reason_against(step))

    def only_reader(self, tensor: Tensor, *kinds: str) -> Optional[Step]:
        """The step that alone reads a tensor, if its layer is one of `kinds`."""
        if self.readers[tensor] != 1:
            return None
        step = next((s for s in self.steps if tensor in s.inputs), None)
        return step if step and type(step.layer).__name__ in kinds else None

    def convolve(self, step: Step, kind: str, x: Any) -> None:
        """A convolution with what follows it alone: batch norm, then ReLU."""
        output, norm = step.outputs[0], None
        activation = activation_of(step)
        after = self.only_reader(output, "BatchNorm", "BatchNormalization")
        if after and activation is None:
            self.fused.add(after)
            norm, output = after.layer, after.outputs[0]
        after = self.only_reader(output, "ReLU", "Activation")
        if after and activation is None:
            self.fused.add(after)
            activation, output = activation_of(after), after.outputs[0]
        self.convolutions[step.layer.name] = Convolution(step.layer, norm)
        layer = CONVOLUTIONS[kind](step.layer, activation, norm is not None)
        self.made[output] = layer(x)


def activation_of(step: Step) -> Optional[Callable]:
    """None for linear, ReLU or ReLU6. Raises InputError for another."""
    layer = step.layer
    if type(layer).__name__ == "ReLU":
        if not layer.negative_slope and not layer.threshold:
            if layer.max_value is None:
                return tf.nn.relu
            if layer.max_value == 6:
                return tf.nn.relu6
    else:
        name = layer.activation.__name__
        known = {"linear": None, "relu": tf.nn.relu, "relu6": tf.nn.relu6}
        if name in known:
            return known[name]
    raise InputError(reason_against(step, "only ReLU and ReLU6 join a convolution"))


def convolution(layer: Any, activation: Any, bias: bool) -> Any:
    return tf_keras.layers.Conv2D(
        layer.filters, groups=layer.groups, **shared(layer, activation, bias)
    )


def transposed(layer: Any, activation: Any, bias: bool) -> Any:
    return tf_keras.layers.Conv2DTranspose(
        layer.filters, **shared(layer, activation, bias)
    )


def depthwise(layer: Any, activation: Any, bias: bool) -> Any:
    return tf_keras.layers.DepthwiseConv2D(
        depth_multiplier=layer.depth_multiplier, **shared(layer, activation, bias)
    )


def shared(layer: Any, activation: Any, bias: bool) -> dict[str, Any]:
    return {
        "kernel_size": layer.kernel_size,
        "strides": layer.strides,
        "padding": layer.padding,
        "dilation_rate": layer.dilation_rate,
        "activation": activation,
        "use_bias": bias or layer.use_bias,
        "name": layer.name,
    }


CONVOLUTIONS = {
    "Conv2D": convolution,
    "Conv2DTranspose": transposed,
    "DepthwiseConv2D": depthwise,
}


def rescaled(step: Step, x: Any) -> Any:
    """Rescaling as a depthwise 1x1 convolution, one operation in int8."""
    channels = x.shape[-1]
    layer = tf_keras.layers.DepthwiseConv2D(1, name=step.layer.name, trainable=False)
    y = layer(x)
    scale = np.broadcast_to(step.layer.scale, channels)
    offset = np.broadcast_to(step.layer.offset, channels)
    layer.set_weights([scale.reshape(1, 1, -1, 1), offset])
    return y


def padded(step: Step, x: Any) -> Any:
    """Zeros below and to the right, as many as the size here needs."""
    below, right = (after - x.shape[i] for i, after in sides(step))
    if not below + right:
        return x
    pad = tf_keras.layers.ZeroPadding2D(((0, below), (0, right)), name=step.layer.name)
    return pad(x)


def cropped(step: Step, x: Any, *_: Any) -> Any:
    below, right = (x.shape[i] - after for i, after in sides(step))
    if not below + right:
        return x
    crop = tf_keras.layers.Cropping2D(((0, below), (0, right)), name=step.layer.name)
    return crop(x)


def sides(step: Step) -> list[tuple[int, int]]:
    return [(i, step.outputs[0].shape[i]) for i in (1, 2)]


def enlarged(step: Step, x: Any) -> Any:
    layer = step.layer
    return tf_keras.layers.UpSampling2D(
        layer.factor, interpolation=layer.interpolation, name=layer.name
    )(x)


def pooled(step: Step, x: Any) -> Any:
    layer = step.layer
    return tf_keras.layers.MaxPooling2D(
        layer.pool_size, layer.strides, layer.padding, name=layer.name
    )(x)


def alone(step: Step, x: Any) -> Any:
    """A ReLU behind something else than a convolution."""
    return tf_keras.layers.Activation(activation_of(step), name=step.layer.name)(x)


COUNTERPARTS = {
    "Activation": alone,
    "Add": lambda step, *x: tf_keras.layers.Add(name=step.layer.name)(x),
    "Concatenate": lambda s, *x: tf_keras.layers.Concatenate(name=s.layer.name)(x),
    "CropLike": cropped,
    "Cropping2D": lambda step, x: tf_keras.layers.Cropping2D(
        step.layer.cropping, name=step.layer.name
    )(x),
    "Enlarge": enlarged,
    "MaxPooling2D": pooled,
    "PadToMultiple": padded,
    "ReLU": alone,
    "Rescaling": rescaled,
    "ZeroPadding2D": lambda step, x: tf_keras.layers.ZeroPadding2D(
        step.layer.padding, name=step.layer.name
    )(x),
}

REASONS = {
    "BatchNorm": "a batch norm is folded into the convolution before it, and there "
    "is none",
    "Dense": "networks of convolutions alone are fine-tuned here",
    "GlobalAveragePooling2D": "it is for squeeze-and-excite, and the library's 8-bit "
    "scheme lacks the product",
    "MaxUnpool": "max-unpooling is made of comparisons, which fake quantization "
    "cannot follow",
}
REASONS["Multiply"] = REASONS["GlobalAveragePooling2D"]


def reason_against(step: Step, reason: str = "") -> str:
    kind = type(step.layer).__name__
    reason = reason or REASONS.get(kind, "it has no counterpart to fine-tune")
    return (
        f"layer {step.layer.name} ({kind}): {reason}; schemes without fine-tuning take "
        "this network"
    )

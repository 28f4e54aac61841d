"""Rebuilds a Keras 3 network in tf_keras, in the form that a device runs.

tensorflow-model-optimization supports only tf_keras models of standard layers. Batch
norms are folded into the preceding convolution and ReLUs are fused into it; padding,
cropping and upsampling have static sizes. `write_back` copies the trained weights to
the Keras 3 network.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Optional

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from edge.core.errors import InputError
from kseg.models.analysis.graph import Step, Tensor, trace
from kseg.models.layers.pyramid_pooling import pooling_of
from kseg.models.layers.sizes import ZEROS

Weights = dict[str, list[np.ndarray]]  # layer name -> [kernel] or [kernel, bias]

ACTIVATIONS: dict[str, Optional[Callable]] = {
    "linear": None,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "tanh": tf.nn.tanh,
}
SKIPPED = ("Dropout", "ValidInput")  # identities at inference
IMAGE_LAYER = "image_identity"  # returns the input unchanged


@dataclass
class Convolution:
    """A convolution of the Keras 3 network and, if any, its folded batch norm."""

    layer: Any
    norm: Optional[Any] = None

    def folded(self) -> list[np.ndarray]:
        """[kernel] or [kernel, bias], float32, of both as one convolution."""
        kernel, *bias = self.layer.get_weights()
        if self.norm is None:
            return [kernel, *bias]
        scale, shift = affine(self.norm)
        shift = shift + scale * bias[0] if bias else shift
        return [kernel * broadcast_outputs(self.layer, scale), shift]

    def unfold(self, weights: list[np.ndarray]) -> None:
        """Sets the layers' weights; the batch norm then only adds the bias."""
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
    """Scale (C,) and shift (C,) of a batch norm at inference: x * scale + shift."""
    mean, variance = (np.asarray(w) for w in (norm.moving_mean, norm.moving_variance))
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * np.asarray(norm.gamma)
    shift = -mean * scale
    return scale, shift + np.asarray(norm.beta) if norm.center else shift


def broadcast_outputs(layer: Any, scale: np.ndarray) -> np.ndarray:
    """Reshapes (C,) to multiply the output channels of a kernel."""
    kind = type(layer).__name__
    if kind == "DepthwiseConv2D":  # kernel (h, w, C, multiplier)
        return scale.reshape(-1, layer.depth_multiplier)
    return scale[:, None] if kind == "Conv2DTranspose" else scale  # (h, w, out, in)


class TFKerasModel:
    """A network in tf_keras, and layer name -> the convolution it was built from."""

    def __init__(self, model: Any, convolutions: dict[str, Convolution]):
        self.model, self.convolutions = model, convolutions
        # tensorflow-model-optimization's wrappers remove them from the layers.
        self.variables = {x: model.get_layer(x).weights for x in convolutions}
        for name, convolution in convolutions.items():
            self.model.get_layer(name).set_weights(convolution.folded())

    def weights(self) -> Weights:
        """The current weights of the convolutions."""
        return {x: [v.numpy() for v in own] for x, own in self.variables.items()}

    def write_back(self, weights: Optional[Weights] = None) -> None:
        """Copies weights to the Keras 3 network, by default the current ones."""
        weights = weights or self.weights()
        for name, convolution in self.convolutions.items():
            convolution.unfold(weights[name])


def rebuild(model: Any, size: tuple[int, int]) -> TFKerasModel:
    """Rebuilds a network for one size: (B, H, W, channels) in [0, 255] -> its outputs.

    Raises InputError for a layer without a tf_keras counterpart, with the reason.
    """
    return Builder(model, size).rebuilt


class Builder:
    """Repeats the layer calls of a network, in their order, with tf_keras layers."""

    def __init__(self, model: Any, size: tuple[int, int]):
        graph = trace(model, size)
        self.steps = graph.steps
        self.readers = Counter(x for step in graph.steps for x in step.inputs)
        self.readers.update(graph.outputs)
        self.fused: set[Step] = set()
        self.convolutions: dict[str, Convolution] = {}
        self.input = tf_keras.Input((*size, graph.image.shape[-1]), name="image")
        # A separate layer, so that its output can be quantized.
        image = tf_keras.layers.Activation("linear", name=IMAGE_LAYER)(self.input)
        self.made: dict[Tensor, Any] = {graph.image: image}
        for step in self.steps:
            if step not in self.fused:
                self.add(step)
        made = [self.made[x] for x in graph.outputs]
        # Several outputs keep their names: the keys of a dict.
        outputs = keras.tree.pack_sequence_as(model.output, made)
        network = tf_keras.Model(self.input, outputs, name=model.name)
        self.rebuilt = TFKerasModel(network, self.convolutions)

    def add(self, step: Step) -> None:
        kind = type(step.layer).__name__
        if kind == "InputLayer":
            return
        inputs = [self.made[x] for x in step.inputs]
        if kind in CONVOLUTIONS:
            self.convolve(step, kind, inputs[0])
        elif kind in SKIPPED or is_linear(step):
            self.made[step.outputs[0]] = inputs[0]
        elif kind in COUNTERPARTS:
            self.made[step.outputs[0]] = COUNTERPARTS[kind](step, *inputs)
        else:
            raise InputError(unsupported(step))

    def only_reader(self, tensor: Tensor, *kinds: str) -> Optional[Step]:
        """The only reader of a tensor, if its layer is one of `kinds`; else None."""
        if self.readers[tensor] != 1:
            return None
        step = next((s for s in self.steps if tensor in s.inputs), None)
        return step if step and type(step.layer).__name__ in kinds else None

    def convolve(self, step: Step, kind: str, x: Any) -> None:
        """Adds a convolution and the batch norm and ReLU that follow it, if any."""
        output, norm = step.outputs[0], None
        activation = activation_of(step)
        after = self.only_reader(output, "BatchNorm", "BatchNormalization")
        if after and activation is None:
            self.fused.add(after)
            norm, output = after.layer, after.outputs[0]
        after = self.only_reader(output, "ReLU", "Activation")
        if after and activation is None and not is_tanh(after):
            self.fused.add(after)
            activation, output = activation_of(after), after.outputs[0]
        self.convolutions[step.layer.name] = Convolution(step.layer, norm)
        fused = None if is_tanh(step) else activation
        y = CONVOLUTIONS[kind](step.layer, fused, norm is not None)(x)
        if is_tanh(step):  # an operator of its own, whose input is quantized too
            y = tf_keras.layers.Activation("tanh", name=f"{step.layer.name}_tanh")(y)
        self.made[output] = y


def is_linear(step: Step) -> bool:
    """Whether a layer is an activation that changes nothing."""
    layer = step.layer
    return type(layer).__name__ == "Activation" and activation_name(layer) == "linear"


def is_tanh(step: Step) -> bool:
    """Whether a layer is a tanh, or a convolution that ends in one."""
    return activation_name(step.layer) == "tanh"


def activation_name(layer: Any) -> str:
    """The name of a layer's activation; "" for a layer without one."""
    return getattr(getattr(layer, "activation", None), "__name__", "")


def activation_of(step: Step) -> Optional[Callable]:
    """None (linear), ReLU, ReLU6 or tanh. Raises InputError for another activation."""
    layer = step.layer
    if type(layer).__name__ == "ReLU":
        if not layer.negative_slope and not layer.threshold:
            if layer.max_value is None:
                return tf.nn.relu
            if layer.max_value == 6:
                return tf.nn.relu6
    else:
        name = activation_name(layer)
        if name in ACTIVATIONS:
            return ACTIVATIONS[name]
    raise InputError(
        unsupported(step, "only ReLU and ReLU6 can be fused into a convolution")
    )


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
    """Rescaling as a 1x1 depthwise convolution, which is one operator in int8."""
    channels = x.shape[-1]
    layer = tf_keras.layers.DepthwiseConv2D(1, name=step.layer.name, trainable=False)
    y = layer(x)
    scale = np.broadcast_to(step.layer.scale, channels)
    offset = np.broadcast_to(step.layer.offset, channels)
    layer.set_weights([scale.reshape(1, 1, -1, 1), offset])
    return y


def padded(step: Step, x: Any) -> Any:
    """Padding at the bottom and right, of static size."""
    below, right = (after - x.shape[i] for i, after in sides(step))
    if not below + right:
        return x
    if step.layer.mode != ZEROS:
        raise InputError(unsupported(step, f"padding by {step.layer.mode}"))
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


def upsampled(step: Step, x: Any) -> Any:
    layer = step.layer
    return tf_keras.layers.UpSampling2D(
        layer.factor, interpolation=layer.interpolation, name=layer.name
    )(x)


def pooled(step: Step, x: Any) -> Any:
    layer = step.layer
    return tf_keras.layers.MaxPooling2D(
        layer.pool_size, layer.strides, layer.padding, name=layer.name
    )(x)


def bin_means(step: Step, x: Any) -> Any:
    """The means of the bins of pyramid pooling, a pooling of static size."""
    lengths, steps = pooling_of(x.shape[1:3], step.layer.bins)
    return tf_keras.layers.AveragePooling2D(lengths, steps, name=step.layer.name)(x)


def resized(step: Step, x: Any, _: Any) -> Any:
    """Bilinear resizing to the size of the second input."""
    size = step.outputs[0].shape[1:3]
    if tuple(x.shape[1:3]) == size:
        return x
    return tf_keras.layers.Resizing(*size, "bilinear", name=step.layer.name)(x)


def added(step: Step, *inputs: Any) -> Any:
    """A sum of two at a time, as in int8 files: each sum has a range."""
    name, (x, *rest) = step.layer.name, inputs
    for number, other in enumerate(rest, 1):
        end = "" if number == len(rest) else f"_{number}"
        x = tf_keras.layers.Add(name=name + end)([x, other])
    return x


def standalone_relu(step: Step, x: Any) -> Any:
    """A ReLU that does not follow a convolution, or a tanh."""
    return tf_keras.layers.Activation(activation_of(step), name=step.layer.name)(x)


COUNTERPARTS = {
    "Activation": standalone_relu,
    "Add": added,
    "BinPool": bin_means,
    "Concatenate": lambda step, *x: tf_keras.layers.Concatenate(
        step.layer.axis, name=step.layer.name
    )(x),
    "CropLike": cropped,
    "Cropping2D": lambda step, x: tf_keras.layers.Cropping2D(
        step.layer.cropping, name=step.layer.name
    )(x),
    "Enlarge": upsampled,
    "MaxPooling2D": pooled,
    "PadToMultiple": padded,
    "ReLU": standalone_relu,
    "ResizeLike": resized,
    "Rescaling": rescaled,
    "Reshape": lambda step, x: tf_keras.layers.Reshape(
        step.outputs[0].shape[1:], name=step.layer.name
    )(x),
    "ZeroPadding2D": lambda step, x: tf_keras.layers.ZeroPadding2D(
        step.layer.padding, name=step.layer.name
    )(x),
}

REASONS = {
    "BatchNorm": "it does not follow a convolution that it could be folded into",
    "Dense": "only fully convolutional networks can be fine-tuned",
    "GlobalAveragePooling2D": "the library's 8-bit scheme does not support the product "
    "of squeeze-and-excite",
    "MaxUnpool": "max-unpooling consists of comparisons, which cannot be "
    "fake-quantized",
}
REASONS["Multiply"] = REASONS["GlobalAveragePooling2D"]


def unsupported(step: Step, reason: str = "") -> str:
    kind = type(step.layer).__name__
    reason = reason or REASONS.get(kind, "it cannot be fine-tuned")
    return (
        f"layer {step.layer.name} ({kind}): {reason}; use a scheme without fine-tuning "
        "for this network"
    )

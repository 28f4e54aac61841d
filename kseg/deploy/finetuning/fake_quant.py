"""Quantization-aware training: rounding that gradients pass, one scale a channel."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Optional

import numpy as np
import tensorflow as tf
import tf_keras

from kseg.deploy.conversion import tflite
from kseg.deploy.finetuning.tf_keras_model import PICTURE, TFKerasModel
from kseg.deploy.finetuning.toolkit import quantization, tfmot, wrapped
from kseg.deploy.heads import Head, with_head

HANDS_ON = (
    "Concatenate",
    "Cropping2D",
    "MaxPooling2D",
    "UpSampling2D",
    "ZeroPadding2D",
)


def shared_ranges(
    model: Any, images: Iterable[np.ndarray]
) -> dict[str, tuple[float, float]]:
    """(least, largest) by name of each layer whose output is to be quantized.

    Seen over uint8 images (H, W, C), and over all tensors that share a range.
    """
    layers = [x for x in model.layers if type(x).__name__ != "InputLayer"]
    watched = tf_keras.Model(model.input, [layer.output for layer in layers])

    @tf.function
    def extremes(image: Any) -> Any:
        outputs = tf.nest.flatten(watched(image, training=False))
        pairs = [(tf.reduce_min(x), tf.reduce_max(x)) for x in outputs]
        return tf.stack([tf.stack(pair) for pair in pairs])

    seen = [extremes(image[None].astype(np.float32)).numpy() for image in images]
    low, high = np.min(seen, axis=0)[:, 0], np.max(seen, axis=0)[:, 1]
    bounds = {
        x.name: (min(0.0, a), b) for x, a, b in zip(layers, low, high, strict=True)
    }
    bounds[PICTURE] = (0.0, 255.0)  # bytes go in as they are
    for members in groups_of(layers):
        least = min(bounds[name][0] for name in members)
        most = max(bounds[name][1] for name in members)
        # A dead tensor, nothing but zeros, needs a scale all the same.
        most = most if most > least else least + 1
        bounds.update({name: (float(least), float(most)) for name in members})
    return {x.name: bounds[x.name] for x in layers if is_quantized(x)}


def is_quantized(layer: Any) -> bool:
    """Whether a layer's output has a range of its own to set."""
    if type(layer).__name__ in HANDS_ON:
        return False
    readers = [node.outbound_layer for node in layer.outbound_nodes]
    fused = [x for x in readers if type(x).__name__ == "Activation"]
    return not (type(layer).__name__ == "Add" and fused and len(readers) == 1)


def groups_of(layers: Iterable[Any]) -> list[set[str]]:
    """The names of layers whose outputs share a range, as disjoint sets."""
    group = {layer.name: {layer.name} for layer in layers}
    for layer in layers:
        if type(layer).__name__ in HANDS_ON:
            for before in tf.nest.flatten(layer.inbound_nodes[0].inbound_layers):
                joined = group[layer.name] | group[before.name]
                group.update(dict.fromkeys(joined, joined))
    return list({id(members): members for members in group.values()}.values())


# --- fake quantization ---


class PerChannel(quantization.quantizers.Quantizer):
    """Weights in 255 steps, symmetric, by output channel, as int8 files have them.

    The library's own take one range for a depthwise or transposed kernel, whose
    channels differ by orders of magnitude once a batch norm is folded into them.
    `zeros`, of the kernel's shape, says what stays zero; a `frozen` kernel stays as it
    is altogether.
    """

    def __init__(
        self, axis: int, zeros: Optional[np.ndarray] = None, frozen: bool = False
    ):
        self.axis, self.zeros, self.frozen = axis, zeros, frozen

    def build(self, tensor_shape: Any, name: str, layer: Any) -> None:
        """It has no weights."""

    def __call__(self, inputs: Any, training: bool, weights: Any, **kwargs: Any) -> Any:
        if self.zeros is not None:
            inputs = tf.where(self.zeros, 0.0, inputs)
        if self.frozen:
            inputs = tf.stop_gradient(inputs)
        order = [x for x in range(4) if x != self.axis] + [self.axis]
        x = tf.transpose(inputs, order)
        reach = tf.stop_gradient(tf.reduce_max(tf.abs(x), axis=(0, 1, 2)))
        reach = tf.maximum(reach, 1e-8)
        x = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            x, -reach, reach, narrow_range=True
        )
        return tf.transpose(x, np.argsort(order))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


# The name of a layer's kernel, and which of its axes is the output channels'.
KERNELS = {
    "Conv2D": ("kernel", 3),
    "Conv2DTranspose": ("kernel", 2),
    "DepthwiseConv2D": ("depthwise_kernel", 2),
}


class FakeQuant(quantization.QuantizeConfig):
    """Quantizes a layer's kernel, its output, or both."""

    def __init__(self, output: Optional[Any] = None, kernel: Optional[Any] = None):
        self.output, self.kernel = output, kernel

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        if self.kernel is None:
            return []
        return [(getattr(layer, KERNELS[type(layer).__name__][0]), self.kernel)]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        for weight in quantize_weights:
            setattr(layer, KERNELS[type(layer).__name__][0], weight)

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
        """ReLU is part of the layer; what it gives out is quantized after it."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [self.output] if self.output else []

    def get_config(self) -> dict[str, Any]:
        return {}


def quantizing(
    ranges: dict[str, tuple[float, float]], kernels: dict[str, Any]
) -> Callable[[Any], Any]:
    """For `wrapped`: outputs quantized to their ranges, kernels by their quantizers."""

    def wrap(layer: Any) -> Any:
        if layer.name not in ranges:
            return layer
        output = quantization.quantizers.FixedQuantizer(
            8, *ranges[layer.name], narrow_range=False
        )
        fake = FakeQuant(output, kernels.get(layer.name))
        return quantization.QuantizeWrapperV2(layer, fake)

    return wrap


def weight_quantizers(
    before: tuple[str, ...], source: TFKerasModel, zeros: dict[str, np.ndarray]
) -> dict[str, Any]:
    """By name, what quantizes each convolution's kernel and keeps what was done to it.

    The library keeps the clusters of plain convolutions alone: transposed ones that
    were clustered are not trained on. Depthwise ones it neither prunes nor clusters.
    """
    combine, quantizers = tfmot.experimental.combine, {}
    for name in source.convolutions:
        layer = source.model.get_layer(name)
        kind = type(layer).__name__
        if kind == "Conv2D" and "clustered" in before:
            # One each: it forgets the zeros of all where one kernel has none.
            registry = combine.Default8BitClusterPreserveQuantizeScheme(
                preserve_sparsity="pruned" in before and zeros[name].any()
            ).get_quantize_registry()
            quantizers[name] = registry.get_quantize_config(layer).weight_quantizer
        else:
            keep = zeros[name] if "pruned" in before else None
            frozen = "clustered" in before and kind == "Conv2DTranspose"
            quantizers[name] = PerChannel(KERNELS[kind][1], keep, frozen)
    return quantizers


def quantized_file(
    source: TFKerasModel,
    ranges: dict[str, tuple[float, float]],
    size: tuple[int, int],
    head: Head,
) -> bytes:
    """The network in int8, activations in their ranges: a .tflite with uint8 input.

    The converter itself takes the weights' scales, those that PerChannel has.
    """
    run = with_head(wrapped(source, quantizing(ranges, {})), head)
    channels = source.model.input_shape[-1]
    signature = tf.TensorSpec((1, *size, channels), tf.float32, name="image")
    function = tf.function(run, input_signature=[signature]).get_concrete_function()
    with tflite.quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function], source.model
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
        return converter.convert()

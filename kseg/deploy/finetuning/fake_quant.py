"""Fake quantization for quantization-aware training, with per-channel weight scales."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Optional

import numpy as np
import tensorflow as tf
import tf_keras

from kseg.deploy.conversion import tflite
from kseg.deploy.finetuning.tf_keras_model import IMAGE_LAYER, TFKerasModel
from kseg.deploy.finetuning.toolkit import clone_with, quantization, tfmot
from kseg.deploy.heads import Head, with_head

# Layers whose output has the range of their input.
PASS_THROUGH = (
    "AveragePooling2D",
    "Concatenate",
    "Cropping2D",
    "MaxPooling2D",
    "Reshape",
    "Resizing",
    "UpSampling2D",
    "ZeroPadding2D",
)
TANH_RANGE = (-1.0, 127 / 128)  # of 256 steps of 1/128


def shared_ranges(
    model: Any, images: Iterable[np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Layer name -> (minimum, maximum) of its output, for each quantized output.

    Measured on (H, W, C) uint8 images, and merged over tensors that share a range.
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
    bounds[IMAGE_LAYER] = (0.0, 255.0)  # uint8 without rescaling
    for members in range_groups(layers):
        least = min(bounds[name][0] for name in members)
        most = max(bounds[name][1] for name in members)
        # A constant tensor needs a nonzero range too.
        most = most if most > least else least + 1
        bounds.update({name: (float(least), float(most)) for name in members})
    bounds.update({x.name: TANH_RANGE for x in layers if is_tanh(x)})
    return {x.name: bounds[x.name] for x in layers if is_quantized(x)}


def is_tanh(layer: Any) -> bool:
    """Whether a layer computes a tanh, whose range is fixed in int8 files."""
    return getattr(getattr(layer, "activation", None), "__name__", "") == "tanh"


def is_quantized(layer: Any) -> bool:
    """Whether a layer's output has its own range."""
    if type(layer).__name__ in PASS_THROUGH:
        return False
    readers = [node.outbound_layer for node in layer.outbound_nodes]
    fused = [x for x in readers if type(x).__name__ == "Activation" and not is_tanh(x)]
    return not (type(layer).__name__ == "Add" and fused and len(readers) == 1)


def range_groups(layers: Iterable[Any]) -> list[set[str]]:
    """Disjoint sets of names of layers whose outputs share a range."""
    group = {layer.name: {layer.name} for layer in layers}
    for layer in layers:
        if type(layer).__name__ in PASS_THROUGH:
            for before in tf.nest.flatten(layer.inbound_nodes[0].inbound_layers):
                joined = group[layer.name] | group[before.name]
                group.update(dict.fromkeys(joined, joined))
    return list({id(members): members for members in group.values()}.values())


# --- fake quantization ---


class PerChannel(quantization.quantizers.Quantizer):
    """Quantizes weights to 255 symmetric levels per output channel, as in int8 files.

    The library's quantizers use one range for a whole depthwise or transposed kernel,
    whose channels differ by orders of magnitude after a batch norm is folded into it.
    `zeros`, (kernel shape) bool, marks weights that stay zero. A `frozen` kernel gets
    no gradient.
    """

    def __init__(
        self, axis: int, zeros: Optional[np.ndarray] = None, frozen: bool = False
    ):
        self.axis, self.zeros, self.frozen = axis, zeros, frozen

    def build(self, tensor_shape: Any, name: str, layer: Any) -> None:
        """Creates no weights."""

    def __call__(self, inputs: Any, training: bool, weights: Any, **kwargs: Any) -> Any:
        if self.zeros is not None:
            inputs = tf.where(self.zeros, 0.0, inputs)
        if self.frozen:
            inputs = tf.stop_gradient(inputs)
        order = [x for x in range(4) if x != self.axis] + [self.axis]
        x = tf.transpose(inputs, order)
        limit = tf.stop_gradient(tf.reduce_max(tf.abs(x), axis=(0, 1, 2)))
        limit = tf.maximum(limit, 1e-8)
        x = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            x, -limit, limit, narrow_range=True
        )
        return tf.transpose(x, np.argsort(order))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


# Layer kind -> (name of its kernel, axis of the output channels).
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
        """Not used: ReLU is fused, and the layer's output is quantized after it."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [self.output] if self.output else []

    def get_config(self) -> dict[str, Any]:
        return {}


def quantize_layers(
    ranges: dict[str, tuple[float, float]], kernels: dict[str, Any]
) -> Callable[[Any], Any]:
    """For `clone_with`: wraps layers to quantize their outputs and kernels."""

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
    """Convolution name -> quantizer of its kernel that keeps zeros and clusters.

    The library keeps clusters of plain convolutions only; clustered transposed kernels
    are therefore frozen. It neither prunes nor clusters depthwise kernels.
    """
    combine, quantizers = tfmot.experimental.combine, {}
    for name in source.convolutions:
        layer = source.model.get_layer(name)
        kind = type(layer).__name__
        if kind == "Conv2D" and "clustered" in before:
            # One each: it drops sparsity for all if one kernel has no zeros.
            registry = combine.Default8BitClusterPreserveQuantizeScheme(
                preserve_sparsity="pruned" in before and zeros[name].any()
            ).get_quantize_registry()
            quantizers[name] = registry.get_quantize_config(layer).weight_quantizer
        else:
            keep = zeros[name] if "pruned" in before else None
            frozen = "clustered" in before and kind == "Conv2DTranspose"
            quantizers[name] = PerChannel(KERNELS[kind][1], keep, frozen)
    return quantizers


def convert_quantized(
    source: TFKerasModel,
    ranges: dict[str, tuple[float, float]],
    size: tuple[int, int],
    head: Head,
) -> bytes:
    """The network as an int8 .tflite file with uint8 input and the given ranges.

    The converter computes the scales of the weights, the same as those of PerChannel.
    """
    run = with_head(clone_with(source, quantize_layers(ranges, {})), head)
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

"""Converts a Keras network to a native `torch.nn.Module` with the same weights.

The speed of kseg is compared with this module. Keras on its PyTorch backend is not
suitable: it computes in channels-last layout and composes operations of PyTorch.
The module is a `torch.fx` graph, which frees tensors as soon as they are not needed.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    import keras
    import torch


# The steps of a layer: a module, or a function and its arguments after the tensors.
Steps = list[tuple[Callable, tuple[Any, ...]]]


def torch_model(model: keras.Model) -> torch.nn.Module:
    """Image (B, C, H, W) in [0, 255] -> the outputs of `model`, float32.

    The model must be functional with one image; its outputs keep their structure:
    logits, or a dict by role. Images and features are (B, C, H, W) instead of Keras's
    (B, H, W, C), rows of cells (B, A, C) as in Keras. The result has the memory format
    `channels_last`, is in training mode, and all its layers are trainable. Raises
    ValueError with the name of an unsupported layer.
    """
    import torch
    from keras import tree

    graph = torch.fx.Graph()
    modules, nodes = {}, {}
    for layer in model.operations:
        sources = layer.input if isinstance(layer.input, list) else [layer.input]
        if type(layer).__name__ == "InputLayer":
            nodes[id(layer.output)] = graph.placeholder("image")
            continue
        values = tuple(nodes[id(source)] for source in sources)
        for target, options in steps_of(layer):
            if isinstance(target, torch.nn.Module):
                modules[layer.name] = target
                values = (graph.call_module(layer.name, values),)
            else:
                values = (graph.call_function(target, (*values, *options)),)
        (nodes[id(layer.output)],) = values
    graph.output(tree.map_structure(lambda output: nodes[id(output)], model.output))
    save_memory(graph, modules)
    result = torch.fx.GraphModule(modules, graph)
    return result.to(memory_format=torch.channels_last)


def save_memory(graph: torch.fx.Graph, modules: dict[str, Any]) -> None:
    """Makes a ReLU in-place if nothing else reads its input, as usual in PyTorch."""
    for node in graph.nodes:
        if node.op == "call_module" and hasattr(modules[node.target], "inplace"):
            (source,) = node.args
            modules[node.target].inplace = len(source.users) == 1


def steps_of(layer: Any) -> Steps:
    """The equivalent of a layer. Raises ValueError if it is not supported."""
    kind = type(layer).__name__
    if kind not in LAYERS:
        raise ValueError(f"{layer.name}: {kind} is not supported in PyTorch")
    return LAYERS[kind](layer)


def require(layer: Any, **expected: Any) -> None:
    """Raises ValueError if an attribute of the layer has an unsupported value."""
    for name, value in expected.items():
        if getattr(layer, name) != value:
            raise ValueError(
                f"{layer.name}: only {name} {value} is supported in PyTorch, got "
                f"{getattr(layer, name)}"
            )


# --- layers with weights ---


def convolution(layer: Any) -> Steps:
    kernel, *bias = layer.get_weights()
    return convolve(layer, kernel.transpose(3, 2, 0, 1), bias, layer.groups)


def depthwise(layer: Any) -> Steps:
    kernel, *bias = layer.get_weights()
    height, width, channels, each = kernel.shape
    kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, height, width)
    return convolve(layer, kernel, bias, channels)


def convolve(layer: Any, kernel: Any, bias: list[Any], groups: int) -> Steps:
    """A convolution with `kernel` (filters, channels / groups, height, width).

    PyTorch pads both sides equally. TensorFlow's "same" does too for stride 1 and odd
    kernels; otherwise `pad_same` is applied first.
    """
    from torch import nn

    after = activation(layer)
    filters, channels, *size = kernel.shape
    module = nn.Conv2d(
        channels * groups,
        filters,
        size,
        layer.strides,
        dilation=layer.dilation_rate,
        groups=groups,
        bias=layer.use_bias,
    )
    load(module, [kernel, *bias])
    if layer.padding == "valid":
        return [(module, ()), *after]
    extent = [d * (k - 1) for d, k in zip(module.dilation, size, strict=True)]
    if module.stride == (1, 1) and not any(side % 2 for side in extent):
        module.padding = tuple(side // 2 for side in extent)
        return [(module, ()), *after]
    window = tuple(side + 1 for side in extent)
    return [(pad_same, (window, module.stride, 0.0)), (module, ()), *after]


def transposed(layer: Any) -> Steps:
    """The output is `strides` times the input; the excess is cut from both sides."""
    from torch import nn

    after = activation(layer)
    kernel, *bias = layer.get_weights()
    height, width, filters, channels = kernel.shape
    excess = [k - s for k, s in zip((height, width), layer.strides, strict=True)]
    if min(excess) < 0 or any(side % 2 for side in excess):
        raise ValueError(
            f"{layer.name}: kernels must exceed the stride by an even number in "
            f"PyTorch, got {height}x{width} and {layer.strides}"
        )
    if layer.padding == "valid" and any(excess):
        raise ValueError(f"{layer.name}: padding valid is not supported in PyTorch")
    module = nn.ConvTranspose2d(
        channels,
        filters,
        (height, width),
        layer.strides,
        padding=[side // 2 for side in excess],
        bias=layer.use_bias,
    )
    return [(load(module, [kernel.transpose(3, 2, 0, 1), *bias]), ()), *after]


def batch_norm(layer: Any) -> Steps:
    """PyTorch's running variance is the unbiased one; the outputs are equal."""
    from torch import nn

    last = len(layer.input.shape) - 1
    require(layer, axis=last if layer.axis == last else -1, scale=True, center=True)
    gamma, beta, mean, variance = map(torch_tensor, layer.get_weights())
    module = nn.BatchNorm2d(len(gamma), layer.epsilon, 1 - layer.momentum)
    load(module, [gamma, beta])
    module.running_mean.copy_(mean)
    module.running_var.copy_(variance)
    return [(module, ())]


def activation(layer: Any) -> Steps:
    """The activation in a layer: linear or tanh. Raises ValueError for others."""
    import torch

    known: dict[str, Steps] = {"linear": [], "tanh": [(torch.tanh, ())]}
    name = layer.activation.__name__
    if name not in known:
        raise ValueError(
            f"{layer.name}: activations in layers are not supported in PyTorch, "
            f"except {', '.join(known)}, got {name}"
        )
    return known[name]


def activation_layer(layer: Any) -> Steps:
    """A layer of its own, which may also be a ReLU."""
    from torch import nn

    if layer.activation.__name__ == "relu":
        return [(nn.ReLU(), ())]
    return activation(layer)


def load(module: Any, weights: list[Any]) -> Any:
    """Sets `weight` and, if there is one, `bias` of the module, and returns it."""
    from torch import nn

    for name, value in zip(("weight", "bias"), weights, strict=False):
        setattr(module, name, nn.Parameter(torch_tensor(value)))
    return module


def torch_tensor(array: Any) -> torch.Tensor:
    import torch

    return torch.as_tensor(array).contiguous()


# --- layers without weights ---


def relu(layer: Any) -> Steps:
    from torch import nn

    require(layer, negative_slope=0, threshold=0)
    if layer.max_value not in (None, 6):
        require(layer, max_value=6)
    return [(nn.ReLU() if layer.max_value is None else nn.ReLU6(), ())]


def dropout(layer: Any) -> Steps:
    from torch import nn

    return [(nn.Dropout(layer.rate), ())]


def max_pooling(layer: Any) -> Steps:
    from torch import nn

    pool = (nn.MaxPool2d(layer.pool_size, layer.strides), ())
    if layer.padding == "valid":
        return [pool]
    return [(pad_same, (layer.pool_size, layer.strides, float("-inf"))), pool]


def rescaling(layer: Any) -> Steps:
    """By numbers, or by numbers for each channel."""
    import torch
    from torch import nn

    if all(isinstance(x, (int, float)) for x in (layer.scale, layer.offset)):
        return [(operator.mul, (layer.scale,)), (operator.add, (layer.offset,))]

    class Rescale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in ("scale", "offset"):
                values = torch.as_tensor(getattr(layer, name), dtype=torch.float32)
                self.register_buffer(name, values.reshape(-1, 1, 1))

        def forward(self, x: Any) -> Any:
            return x * self.scale + self.offset

    return [(Rescale(), ())]


def zero_padding(layer: Any) -> Steps:
    from torch.nn import functional

    (top, bottom), (left, right) = layer.padding
    return [(functional.pad, ((left, right, top, bottom),))]


def enlarge(layer: Any) -> Steps:
    return [(resize, (layer.factor, layer.interpolation))]


def concatenate(layer: Any) -> Steps:
    """Joins channels of features, or rows of cells: both are PyTorch's dimension 1."""
    axes = {4: (-1, 3), 3: (1,)}[len(layer.output.shape)]
    if layer.axis not in axes:
        require(layer, axis=axes[0])
    return [(join, ())]


def reshape(layer: Any) -> Steps:
    """Only features (B, h, w, C) to rows of cells (B, h * w, C)."""
    require(layer, target_shape=(-1, layer.input.shape[-1]))
    return [(to_rows, ())]


def padding_to_multiple(layer: Any) -> Steps:
    require(layer, mode="zeros")
    return [(pad_to_multiple, (layer.multiple,))]


LAYERS: dict[str, Callable[[Any], Steps]] = {
    "Activation": activation_layer,
    "Add": lambda layer: [(operator.add, ())],
    "BatchNorm": batch_norm,
    "BatchNormalization": batch_norm,
    "Concatenate": concatenate,
    "Conv2D": convolution,
    "Conv2DTranspose": transposed,
    "CropLike": lambda layer: [(crop_like, ())],
    "DepthwiseConv2D": depthwise,
    "Dropout": dropout,
    "Enlarge": enlarge,
    "MaxPooling2D": max_pooling,
    "PadToMultiple": padding_to_multiple,
    "ReLU": relu,
    "Rescaling": rescaling,
    "Reshape": reshape,
    "ZeroPadding2D": zero_padding,
}


# --- functions in the graph, on tensors (B, C, H, W) ---


def join(*tensors: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat(tensors, 1)


def to_rows(x: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) -> (B, h * w, C), a view of channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def crop_like(x: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    return x[:, :, : image.shape[2], : image.shape[3]]


def pad_to_multiple(x: torch.Tensor, multiple: int) -> torch.Tensor:
    from torch.nn import functional

    below, right = -x.shape[2] % multiple, -x.shape[3] % multiple
    return functional.pad(x, (0, right, 0, below)) if below or right else x


def pad_same(
    x: torch.Tensor, window: tuple[int, int], strides: tuple[int, int], value: float
) -> torch.Tensor:
    """Pads like TensorFlow's "same": as the strides need, the larger half at the end.

    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    from torch.nn import functional

    pads: list[int] = []
    for side, size, stride in zip(x.shape[2:], window, strides, strict=True):
        total = max(0, (-(-side // stride) - 1) * stride + size - side)
        pads = [total // 2, total - total // 2, *pads]  # the last dimension comes first
    return functional.pad(x, pads, value=value) if any(pads) else x


def resize(x: torch.Tensor, factor: int, mode: str) -> torch.Tensor:
    """`mode` is bilinear or nearest, with half-pixel centers, PyTorch's default."""
    from torch.nn import functional

    return functional.interpolate(x, scale_factor=factor, mode=mode)

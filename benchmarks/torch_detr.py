"""DETR in PyTorch with the weights of a Keras network, built as its published code is.

The transformer uses `torch.nn.MultiheadAttention`; the encoder is converted layer by
layer (benchmarks/torch_model.py).
"""

from __future__ import annotations

from math import pi
from typing import Any

import keras
import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_model import load, torch_model


def torch_detr(model: keras.Model) -> nn.Module:
    """Image (B, C, H, W) in [0, 255] -> the outputs of the network `detr`, by role.

    H and W are multiples of the network's stride. The module is in evaluation mode.
    """
    features = model.get_layer("project").output
    backbone = torch_model(keras.Model(model.inputs, features))
    module = Detr(model, backbone)
    return module.to(memory_format=torch.channels_last).eval()


class Detr(nn.Module):
    """Carion et al. (2020), as https://github.com/facebookresearch/detr has it."""

    def __init__(self, model: keras.Model, backbone: nn.Module):
        super().__init__()
        names = {layer.name for layer in model.layers}

        def layers(kind: type[nn.Module], name: str) -> nn.ModuleList:
            count = sum(f"{name}{n}" in names for n in range(1, len(names)))
            return nn.ModuleList(kind(model, f"{name}{n + 1}") for n in range(count))

        self.backbone = backbone
        self.encoder = layers(EncoderLayer, "encode")
        self.decoder = layers(DecoderLayer, "decode")
        (queries,) = model.get_layer("queries").get_weights()
        self.queries = nn.Parameter(torch.as_tensor(queries))
        self.norm = norm_of(model, "decoded")
        self.classes = linear_of(model, "class_logits")
        self.box = nn.Sequential(
            *(linear_of(model, "box1"), nn.ReLU()),
            *(linear_of(model, "box2"), nn.ReLU()),
            *(linear_of(model, "boxes"), nn.Sigmoid()),
        )

    def forward(self, image: Any) -> dict[str, Any]:
        x = self.backbone(image)
        places = positions(x)
        x = x.flatten(2).transpose(1, 2)
        for layer in self.encoder:
            x = layer(x, places)
        queries = self.queries[None].expand(len(x), -1, -1)
        found = torch.zeros_like(queries)
        for layer in self.decoder:
            found = layer(found, queries, x, places)
        found = self.norm(found)
        scores = self.classes(found).softmax(-1)[..., :-1]
        return {"scores": scores, "boxes": self.box(found)}


class EncoderLayer(nn.Module):
    def __init__(self, model: keras.Model, name: str):
        super().__init__()
        self.attention = attention_of(model, f"{name}_self")
        self.norm = norm_of(model, f"{name}_self_norm")
        self.after = FeedForward(model, name)

    def forward(self, x: Any, places: Any) -> Any:
        placed = x + places
        read, _ = self.attention(placed, placed, x, need_weights=False)
        return self.after(self.norm(x + read))


class DecoderLayer(nn.Module):
    def __init__(self, model: keras.Model, name: str):
        super().__init__()
        self.own = attention_of(model, f"{name}_self")
        self.own_norm = norm_of(model, f"{name}_self_norm")
        self.cross = attention_of(model, f"{name}_cross")
        self.cross_norm = norm_of(model, f"{name}_cross_norm")
        self.after = FeedForward(model, name)

    def forward(self, x: Any, queries: Any, memory: Any, places: Any) -> Any:
        placed = x + queries
        read, _ = self.own(placed, placed, x, need_weights=False)
        x = self.own_norm(x + read)
        asking, keys = x + queries, memory + places
        read, _ = self.cross(asking, keys, memory, need_weights=False)
        return self.after(self.cross_norm(x + read))


class FeedForward(nn.Module):
    def __init__(self, model: keras.Model, name: str):
        super().__init__()
        self.first = linear_of(model, f"{name}_dense1")
        self.second = linear_of(model, f"{name}_dense2")
        self.norm = norm_of(model, name)

    def forward(self, x: Any) -> Any:
        return self.norm(x + self.second(functional.relu(self.first(x))))


def positions(features: Any) -> Any:
    """(B, C, h, w) -> (1, h * w, C): sines and cosines of row and column."""
    channels, height, width = features.shape[1:]
    scale = 10_000.0 ** (torch.arange(channels // 2) // 2 * 2 / (channels // 2))

    def waves(side: int) -> Any:
        angles = torch.arange(1, side + 1)[:, None] / (side + 1e-6) * 2 * pi / scale
        pairs = (angles[:, 0::2].sin(), angles[:, 1::2].cos())
        return torch.stack(pairs, 2).flatten(1)

    rows = waves(height)[:, None].expand(-1, width, -1)
    columns = waves(width)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)[None]


# --- modules with the weights of layers ---


def linear_of(model: keras.Model, name: str) -> nn.Linear:
    kernel, bias = model.get_layer(name).get_weights()
    return load(nn.Linear(*kernel.shape), [kernel.T, bias])


def norm_of(model: keras.Model, name: str) -> nn.LayerNorm:
    layer = model.get_layer(name)
    gamma, beta = layer.get_weights()
    return load(nn.LayerNorm(len(gamma), layer.epsilon), [gamma, beta])


def attention_of(model: keras.Model, name: str) -> nn.MultiheadAttention:
    parts = [linear_of(model, f"{name}_{part}") for part in ("query", "key", "value")]
    output = linear_of(model, f"{name}_output")
    heads = model.get_layer(f"{name}_attend").heads
    module = nn.MultiheadAttention(output.in_features, heads, batch_first=True)
    module.in_proj_weight = nn.Parameter(torch.cat([part.weight for part in parts]))
    module.in_proj_bias = nn.Parameter(torch.cat([part.bias for part in parts]))
    module.out_proj.load_state_dict(output.state_dict())
    return module

"""Objects as a set: each learned query gives one object or none, without suppression.

Carion et al., "End-to-End Object Detection with Transformers" (DETR), ECCV 2020.
"""

from __future__ import annotations

from typing import Any, Callable

import keras
from keras.layers import (
    Activation,
    Add,
    Conv2D,
    Dense,
    Dropout,
    LayerNormalization,
    Rescaling,
    Reshape,
)

from kseg.models.detection.region_parts import freeze
from kseg.models.encoders.features import Features
from kseg.models.layers.attention import Attend, LearnedQueries, SinePositions
from kseg.models.layers.without_last import WithoutLast

STRIDES = (32,)
FROZEN = 4  # stride of the last features of the frozen layers
LAYERS, QUERIES, WIDTH = 6, 100, 256
HEAD = 32  # channels of a head of attention
EXPANSION = 8  # of the channels in the two dense layers after attention
DROPOUT = 0.1
EPSILON = 1e-5  # of layer normalization
DECODED = "decode{}"  # the layer whose output is that of a decoder layer


def detr(
    image: Any,
    num_classes: int,
    encode: Callable[..., Features],
    strides: tuple[int, ...] = STRIDES,
    layers: int = LAYERS,
    queries: int = QUERIES,
    attention_width: int = WIDTH,
    dropout: float = DROPOUT,
    frozen: bool = False,
) -> dict[str, Any]:
    """image (B, H, W, C) -> the outputs by role, float32.

    `scores` (B, queries, num_classes) are probabilities, whose sum is that of an
    object; `boxes` (B, queries, 4) cy, cx, h, w are shares of H and W, including what
    the encoder pads the image with below and to the right, which is treated as a part
    of the image.
    `strides` has one entry, of the features that the transformer reads; it has
    `layers` encoder and decoder layers of `attention_width` channels. With `frozen`, as
    in the paper for a pretrained encoder, neither the encoder's batch normalizations
    nor its layers up to stride 4 are trained. Training uses the outputs of
    `training_outputs`. Raises ValueError for other strides or widths.
    """
    if len(strides) != 1:
        raise ValueError(f"detr has one stride in `strides`, got {strides!r}.")
    if attention_width % HEAD:
        raise ValueError(
            f"`attention_width` must be a multiple of {HEAD}, got {attention_width}."
        )
    encoded = encode(image, deepest=strides[0])
    features = encoded.tap(strides[0])
    if frozen:
        freeze(image, {FROZEN: encoded.tap(FROZEN), strides[0]: features})
    x = Conv2D(attention_width, 1, name="project")(features)
    positions = SinePositions(name="positions")(x)
    memory = Reshape((-1, attention_width), name="tokens")(x)
    for number in range(1, layers + 1):
        memory = encoder_layer(memory, positions, f"encode{number}", dropout)
    places = LearnedQueries(queries, name="queries")(memory)
    keys = Add(name="memory_keys")([memory, positions])
    x = Rescaling(0.0, name="start")(places)
    for number in range(1, layers + 1):
        x = decoder_layer(x, places, keys, memory, DECODED.format(number), dropout)
    logits, boxes = heads(num_classes, attention_width)(x)
    scores = Activation("softmax", dtype="float32", name="probabilities")(logits)
    scores = WithoutLast(dtype="float32", name="scores")(scores)
    return {"scores": scores, "boxes": boxes}


def encoder_layer(x: Any, positions: Any, name: str, dropout: float) -> Any:
    """Each token (B, N, C) reads all tokens, then two dense layers."""
    placed = Add(name=f"{name}_keys")([x, positions])
    read = attention(placed, placed, x, f"{name}_self", dropout)
    x = add_and_norm(x, read, f"{name}_self", dropout)
    return dense_layers(x, name, dropout)


def decoder_layer(
    x: Any, places: Any, keys: Any, memory: Any, name: str, dropout: float
) -> Any:
    """Each query (B, Q, C) reads all queries and the memory, then two dense layers."""
    placed = Add(name=f"{name}_placed")([x, places])
    read = attention(placed, placed, x, f"{name}_self", dropout)
    x = add_and_norm(x, read, f"{name}_self", dropout)
    placed = Add(name=f"{name}_asking")([x, places])
    read = attention(placed, keys, memory, f"{name}_cross", dropout)
    x = add_and_norm(x, read, f"{name}_cross", dropout)
    return dense_layers(x, name, dropout)


def attention(query: Any, key: Any, value: Any, name: str, dropout: float) -> Any:
    """Attention of several heads with its four matrices: (B, Q, C)."""
    width = query.shape[-1]
    parts = {"query": query, "key": key, "value": value}
    made = [Dense(width, name=f"{name}_{part}")(x) for part, x in parts.items()]
    read = Attend(width // HEAD, dropout, name=f"{name}_attend")(made)
    return Dense(width, name=f"{name}_output")(read)


def dense_layers(x: Any, name: str, dropout: float) -> Any:
    """Two dense layers on each token; the result's layer has the name itself."""
    width = x.shape[-1]
    y = Dense(EXPANSION * width, activation="relu", name=f"{name}_dense1")(x)
    y = Dropout(dropout, name=f"{name}_drop1")(y)
    y = Dense(width, name=f"{name}_dense2")(y)
    y = Dropout(dropout, name=f"{name}_drop2")(y)
    y = Add(name=f"{name}_sum")([x, y])
    return LayerNormalization(epsilon=EPSILON, name=name)(y)


def add_and_norm(x: Any, read: Any, name: str, dropout: float) -> Any:
    """The normalized sum: layer normalization is after each step, as in the paper."""
    read = Dropout(dropout, name=f"{name}_drop")(read)
    x = Add(name=f"{name}_sum")([x, read])
    return LayerNormalization(epsilon=EPSILON, name=f"{name}_norm")(x)


# --- what is made of a decoder layer's output ---


def heads(num_classes: int, width: int) -> Callable[[Any], tuple[Any, Any]]:
    """New layers that give logits (B, Q, num_classes + 1) and boxes (B, Q, 4).

    The last class is that of no object.
    """
    return apply_heads(
        LayerNormalization(epsilon=EPSILON, name="decoded"),
        Dense(num_classes + 1, dtype="float32", name="class_logits"),
        Dense(width, activation="relu", name="box1"),
        Dense(width, activation="relu", name="box2"),
        Dense(4, activation="sigmoid", dtype="float32", name="boxes"),
    )


def apply_heads(*layers: Any) -> Callable[[Any], tuple[Any, Any]]:
    """The function of a decoder layer's output that the five layers of `heads` make."""
    norm, logits, *box = layers

    def run(x: Any) -> tuple[Any, Any]:
        x = norm(x)
        y = x
        for layer in box:
            y = layer(y)
        return logits(x), y

    return run


def training_outputs(model: keras.Model) -> dict[str, Any]:
    """The outputs that the loss needs, of each of the L decoder layers, float32.

    `logits1` (B, Q, num_classes + 1) and `boxes1` (B, Q, 4) are those of the first
    layer; those of the last one are what `detr` makes its outputs of. All layers share
    their heads.
    """
    names = ("decoded", "class_logits", "box1", "box2", "boxes")
    run = apply_heads(*map(model.get_layer, names))
    known, outputs = {layer.name for layer in model.layers}, {}
    number = 1
    while DECODED.format(number) in known:
        x = model.get_layer(DECODED.format(number)).output
        outputs[f"logits{number}"], outputs[f"boxes{number}"] = run(x)
        number += 1
    return outputs

"""The features that decoders take from an encoder, found in its layers.

An encoder is a function of the image (B, H, W, C) in [0, 255] that returns a network
whose output is the coarsest features. The tap of a stride is the last features of that
stride, before the resolution is halved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import keras
from keras import layers

PREPARING = ("image", "grey_to_rgb", "rescale", "pad")  # the preprocessing layers


@dataclass(frozen=True)
class Features:
    """The features of an encoder.

    `taps`: stride s -> features (B, H / s, W / s, c). `pools`: stride -> input and
    output of the 2x2 max pooling there. `depths`: stride -> number of convolutions.
    `normalized`: whether the encoder has batch normalization.
    """

    encoder: str
    taps: dict[int, Any]
    pools: dict[int, tuple[Any, Any]]
    depths: dict[int, int]
    normalized: bool

    @property
    def deepest(self) -> int:
        return max(self.taps)

    def tap(self, stride: int) -> Any:
        """The features at `stride`. Raises ValueError if there are none."""
        if stride not in self.taps:
            raise ValueError(
                f"{self.encoder} has no features at stride {stride}; its strides are "
                f"{', '.join(map(str, sorted(self.taps)))}."
            )
        return self.taps[stride]

    def pool(self, stride: int) -> tuple[Any, Any]:
        """Input and output of the pooling at `stride`. Raises ValueError if none."""
        if stride not in self.pools:
            raise ValueError(
                f"{self.encoder} has no 2x2 max pooling at stride {stride}, which "
                "`upsampling` unpool needs; choose another `upsampling`, or the "
                "encoder plain or vgg16."
            )
        return self.pools[stride]

    def pool_for(self, upsampling: str, stride: int) -> Optional[tuple[Any, Any]]:
        """`pool(stride)` if `upsampling` is "unpool", which needs it, else None."""
        return self.pool(stride) if upsampling == "unpool" else None

    def pooled_features(self, stride: int) -> Any:
        """The output of the 2x2 pooling to `stride` if there is one, else the tap."""
        if stride // 2 in self.pools:
            return self.pools[stride // 2][1]
        return self.tap(stride)


def features_of(network: keras.Model, encoder: str) -> Features:
    """Finds the taps, pools and depths of a functional network."""
    strides: dict[int, int] = {}
    made_by: dict[int, Any] = {}
    features = Features(encoder, {}, {}, {}, has_batch_norm(network))
    for step in network.operations:
        sources = step.input if isinstance(step.input, list) else [step.input]
        stride = max((strides.get(id(source), 1) for source in sources), default=1)
        factor = step.strides[0] if hasattr(step, "strides") else 1
        if factor > 1:
            source = unpadded(sources[0], made_by)
            if made_by[id(source)].name not in PREPARING:
                features.taps[stride] = source
            if isinstance(step, layers.MaxPooling2D) and step.pool_size == (2, 2):
                features.pools[stride] = source, step.output
        stride *= factor
        if isinstance(step, layers.Conv2D):
            features.depths[stride] = features.depths.get(stride, 0) + 1
        strides[id(step.output)], made_by[id(step.output)] = stride, step
    features.taps[strides[id(network.output)]] = network.output
    return features


def has_batch_norm(network: keras.Model) -> bool:
    return any(isinstance(x, layers.BatchNormalization) for x in network.layers)


def unpadded(x: Any, made_by: dict[int, Any]) -> Any:
    """The tensor before any explicit ZeroPadding2D, which some networks use."""
    while isinstance(made_by[id(x)], layers.ZeroPadding2D):
        x = made_by[id(x)].input
    return x

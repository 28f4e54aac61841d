"""Features: what decoders take from an encoder, read off its layers.

An encoder is a function of the image (B, H, W, C) in [0, 255] that returns a network
whose output is the coarsest features. The last features before each halving are that
stride's tap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import keras
from keras import layers

PREPARING = ("image", "grey_to_rgb", "rescale", "pad")  # layers before the encoder's


@dataclass(frozen=True)
class Features:
    """What an encoder offers to decoders.

    `taps`: stride s -> features (B, H / s, W / s, c). `pools`: stride -> what went into
    the 2x2 max pooling there, and what came out. `depths`: stride -> convolutions.
    `normalized` says whether it has batch norm.
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
        """The features at `stride`. Raises ValueError where there are none."""
        if stride not in self.taps:
            raise ValueError(
                f"{self.encoder} has no tap at stride {stride}; "
                f"it has {', '.join(map(str, sorted(self.taps)))}"
            )
        return self.taps[stride]

    def pool(self, stride: int) -> tuple[Any, Any]:
        """Input and output of the pooling at `stride`. Raises ValueError without."""
        if stride not in self.pools:
            raise ValueError(
                f"{self.encoder} has no 2x2 max pooling at stride {stride}, so there "
                "are no positions to unpool to; take another `upsampling`, or "
                "plain or vgg16"
            )
        return self.pools[stride]

    def pool_for(self, upsampling: str, stride: int) -> Optional[tuple[Any, Any]]:
        """What an enlargement to `stride` undoes: of "unpool" alone, see `pool`."""
        return self.pool(stride) if upsampling == "unpool" else None

    def pooled(self, stride: int) -> Any:
        """What a 2x2 pooling gave at `stride`, or else the tap there."""
        if stride // 2 in self.pools:
            return self.pools[stride // 2][1]
        return self.tap(stride)


def features_of(network: keras.Model, encoder: str) -> Features:
    """Reads taps, pools and depths off a functional network."""
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
    """The tensor before the explicit padding of some networks' convolutions."""
    while isinstance(made_by[id(x)], layers.ZeroPadding2D):
        x = made_by[id(x)].input
    return x

"""The image input of a model file: from an image to the numbers that it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Optional, Tuple

import numpy as np

from edge.core.errors import InputError
from edge.engines.base import TensorSpec
from edge.model_file.flatbuffer import Normalization
from edge.model_file.normalizing import (
    NAMED,
    channels_of,
    described,
    normalization_of,
)
from edge.model_file.reading import NOTHING, Reading

INPUT_TYPES = tuple(
    map(np.dtype, (np.uint8, np.int8, np.int16, np.float16, "f4", "f8"))
)
CHANNELS = (1, 3)
# What float inputs are assumed to take: most PyTorch models, which have their channels
# first, are trained on pixels normalized as in ImageNet.
DEFAULTS = {"NHWC": NAMED["-1..1"], "NCHW": NAMED["imagenet"]}
GIVEN, OF_FILE, ASSUMED = "given", "of the file", "assumed"


class ImageInput:
    """The image input of a file: its size, its type, the conversion from uint8.

    `normalization` is that of the file's metadata, `reading` what the user says.
    `layout` is NHWC, or NCHW for an input with its channels first; `source` tells where
    the normalization comes from: GIVEN, OF_FILE or ASSUMED. Raises InputError if the
    input is not one image of a fixed size, or the reading does not suit it.
    """

    def __init__(
        self,
        path: Path,
        spec: TensorSpec,
        normalization: Optional[Normalization] = None,
        reading: Reading = NOTHING,
    ):
        self.path, self.reading = path, reading
        self.spec, self._of_file = spec, normalization
        self.layout = layout_of(path, spec, reading.layout)
        shape = spec.shape
        if self.layout == "NCHW":
            shape = (shape[0], *shape[2:], shape[1])
        if min(shape[1:3]) < 1:  # a free batch is one image
            raise InputError(f"{path}: its input has no fixed size; export it with one")
        if spec.dtype not in INPUT_TYPES:
            raise InputError(
                f"{path}: its input type {spec.dtype} is not supported; export it with "
                "float32 or uint8"
            )
        self.size = (shape[1], shape[2])
        self.channels = max(shape[3], 1)
        self.order = reading.order or "RGB"
        if reading.order and self.channels == 1:
            raise InputError(
                f"{path}: --order {reading.order} has no effect on an input of one "
                "channel; leave it out"
            )
        self._set_normalization()

    def read_as(self, reading: Reading) -> ImageInput:
        """The same input, read in another way. Raises InputError."""
        return ImageInput(self.path, self.spec, self._of_file, reading)

    def assume(self, name: str) -> None:
        """Use a normalization of `NAMED` unless the user or the file gives another."""
        if self.source == ASSUMED:
            self._use(NAMED[name])

    @property
    def as_stored(self) -> bool:
        """Whether the network takes the pixels as they are, without normalization."""
        return self.spec.dtype.itemsize == 1 and self.source != GIVEN

    def describe(self) -> str:
        """The numbers that the network gets, for a message.

        "pixels 0..255 uint8" or "float32 imagenet", for example.
        """
        if self.as_stored:
            return f"{self.spec.dtype} pixels"
        return f"{self.spec.dtype} {described(self.normalization)}"

    def _set_normalization(self) -> None:
        given = self.reading.normalize
        self.source = GIVEN if given else OF_FILE if self._of_file else ASSUMED
        if not given:
            default = DEFAULTS[self.layout]
            values = self._of_file or default
            fits = [len(part) in (1, self.channels) for part in values]
            mean, deviation = (
                part if fit else other
                for part, other, fit in zip(values, DEFAULTS["NHWC"], fits)
            )
            if self.order == "BGR" and self.source == ASSUMED:
                mean, deviation = mean[::-1], deviation[::-1]
            self._use((mean, deviation))
            return
        values = normalization_of(given)
        if given in NAMED and self.order == "BGR":  # names give them in RGB
            values = values[0][::-1], values[1][::-1]
        if not set(channels_of(values)) <= {1, self.channels}:
            raise InputError(
                f"{self.path}: --normalize {given} is for "
                f"{max(channels_of(values))} channels, and the input has "
                f"{self.channels}; give a mean and a deviation for each"
            )
        if self.spec.dtype.kind in "iu" and not self.spec.scale:
            raise InputError(
                f"{self.path}: --normalize has no effect on an input of type "
                f"{self.spec.dtype} without quantization; leave it out"
            )
        self._use(values)

    def _use(self, values: Normalization) -> None:
        if self.channels == 1 and len(values[0]) > 1:  # the average of the channels
            mean, deviation = (sum(part) / len(part) for part in values)
            values = (mean,), (deviation,)
        self.normalization = values
        self._mean, self._deviation = map(np.float32, values)

    def encode(self, image: np.ndarray) -> np.ndarray:
        """(h, w, C) uint8 RGB or grey -> the input with its batch, in its own type.

        uint8 is unchanged, int8 is shifted by 128; floats are normalized as the user or
        the model's metadata say, and int16 is quantized from that.
        """
        if self.order == "BGR":
            image = image[..., ::-1]
        values = self._numbers(image)
        if self.layout == "NCHW":
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values)[None]

    def _numbers(self, image: np.ndarray) -> np.ndarray:
        """(h, w, C) uint8 -> the numbers of the input's type."""
        spec = self.spec
        if self.as_stored:
            if spec.dtype == np.uint8:
                return image
            return np.ascontiguousarray(image ^ 0x80).view(np.int8)
        values = (image - self._mean) / self._deviation
        if spec.dtype.kind in "iu":
            values = np.rint(values / np.float32(spec.scale or 1 / 32767))
            limits = np.iinfo(spec.dtype)
            if spec.dtype.itemsize == 1:
                values = values + spec.zero_point
            values = np.clip(values, limits.min, limits.max)
        return values.astype(spec.dtype)


def layout_of(path: Path, spec: TensorSpec, given: str = "") -> str:
    """Whether an input has its channels last, "NHWC", or first, "NCHW".

    Where both may be, three channels are more likely than one, and channels are last.
    Raises InputError if it is not an image.
    """
    shape = spec.shape
    image = len(shape) == 4 and shape[0] in (1, -1)
    channels = {"NHWC": shape[-1], "NCHW": shape[1]} if image else {}
    if given and channels.get(given) in (*CHANNELS, -1):
        return given
    if given and image:
        raise InputError(
            f"{path}: --layout {given}: its input is {list(shape)}, which would have "
            f"{channels[given]} channels; leave it out"
        )
    possible = [layout for layout, count in channels.items() if count in CHANNELS]
    if possible:
        return max(possible, key=lambda layout: channels[layout])
    raise InputError(
        f"{path}: its input is {list(shape)}; an image model takes "
        "[1, height, width, 1 or 3] or [1, 1 or 3, height, width]"
    )


def with_size(spec: TensorSpec, layout: str, size: Tuple[int, int]) -> TensorSpec:
    """A spec whose free sides, and batch, have those of a size (height, width)."""
    sides = {2: size[0], 3: size[1]} if layout == "NCHW" else {1: size[0], 2: size[1]}
    sides[0] = 1
    shape = tuple(sides.get(i, n) if n < 1 else n for i, n in enumerate(spec.shape))
    return replace(spec, shape=shape)

"""Batches of training images without augmentation, for statistics over them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Callable, Iterator

import tensorflow as tf

from edge.core.constants import PADDING
from edge.predict.resizing import limit_side
from kseg.core.progress import evenly_spaced
from kseg.data.loading.batches import BatchLoader, without_autotune
from kseg.data.loading.objects import ObjectBatchLoader
from kseg.data.transforms.chain import chain
from kseg.data.transforms.crops import pad_by_reflection

# Options of augmentation that change images of objects, at which they do not.
UNCHANGED: dict[str, Any] = {
    "scale": 1.0,
    **dict.fromkeys(("flip", "flip_vertical"), False),
    **dict.fromkeys(("rotate", "mosaic", "paste"), 0.0),
}


def plain_batches(loader: Any, count: int) -> Iterator[Any]:
    """Yields inputs of the network, NumPy arrays, of at most `count` training images.

    `loader` is one of BATCHES. The images are the same in each call. Those with masks
    are whole, limited to the run's `max_side`; if their sizes differ, the middle of
    each at the size of the training's crops, so that a batch has several images.
    Those with objects are crops at the image's own scale, at places that depend on the
    run's seed alone.
    """
    objects = isinstance(loader, ObjectBatchLoader)
    dataset = object_crops(loader, count) if objects else whole_images(loader, count)
    yield from dataset.as_numpy_iterator()


def whole_images(loader: BatchLoader, count: int) -> tf.data.Dataset:
    """Batches (B, h, w, C) float32 of images spread evenly over the training split."""
    reader, shape = loader.readers["train"], loader.shape
    indices = evenly_spaced(len(reader.split.sizes), count)
    sizes = {limit_side(reader.split.sizes[i], reader.max_side) for i in indices}
    pairs = reader.dataset(tf.data.Dataset.from_tensor_slices(indices), loader.channels)
    if len(sizes) > 1:
        images = pairs.map(lambda image, mask: middle(loader.size)(image))
    else:
        pad = (shape.valid_border, shape.input_step, shape.min_input)
        if pad != (0, 1, 1):
            pairs = pairs.map(pad_by_reflection(*pad))
        images = pairs.map(lambda image, mask: tf.cast(image, tf.float32))
    return without_autotune(images.batch(loader.config.batch_size))


def middle(size: tuple[int, int]) -> Callable[[Any], Any]:
    """Crops the middle of an image (H, W, C) to `size`, in float32.

    Where the image is smaller, mid-grey is added around it.
    """

    def apply(image: Any) -> Any:
        # The operation pads with 0.
        image = tf.cast(image, tf.float32) - PADDING
        return tf.image.resize_with_crop_or_pad(image, *size) + PADDING

    return apply


def object_crops(loader: ObjectBatchLoader, count: int) -> tf.data.Dataset:
    """The inputs of training batches without augmentation; the last batch is whole."""
    plain = copy.copy(loader)  # shares the images in memory
    plain.config = replace(loader.config, **UNCHANGED)
    plain.photometric = chain()
    count = min(count, len(loader.readers["train"].split.sizes))
    steps = -(-count // loader.config.images_per_step)
    return plain.training().take(steps).map(lambda inputs, target: inputs)

"""Pastes objects of rare classes into training crops: `--paste` of the semantic task.

Which objects, and where, depends only on the seed and on the number of the sample.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import tensorflow as tf

from edge.predict.resizing import limit_side
from kseg.core.configs import TrainConfig
from kseg.data.components import Components, find_components, pasted_classes
from kseg.data.loading.reader import CachedReader
from kseg.data.sample import Dataset
from kseg.data.transforms.chain import Pair, uniform
from kseg.data.transforms.coordinates import beside
from kseg.data.transforms.crops import Change
from kseg.data.transforms.paste import (
    Patch,
    covered_by,
    cut_out,
    mirrored_patch,
    paste_object,
    resized_patch,
)

MOST_OBJECTS = 4  # in a crop
# Share of the epochs without pasting, so that classes are as frequent as they are.
LAST_EPOCHS = 0.2
PATCH_BYTES = 128 * 2**20  # of objects that are kept in memory
DRAW = 1_000_003  # folded into the seed of a sample, apart from those of `chain`


class Paster:
    """Pastes into the windows of a training split that become crops."""

    def __init__(
        self,
        config: TrainConfig,
        found: Components,
        classes: tuple[int, ...],
        reader: CachedReader,
    ):
        self.config, self.found, self.reader = config, found, reader
        # With --hours those of the current plan, which changes while training.
        self.epochs = tf.Variable(float(config.epochs), trainable=False)
        self.of_class = {
            each: np.flatnonzero(found.class_ids == each) for each in classes
        }
        self.covered = {each: covered_by(each, found.shares) for each in classes}
        self.patches: dict[int, Optional[Patch]] = {}
        self.budget = PATCH_BYTES

    def __call__(
        self, number: Any, index: Any, image: Any, mask: Any, start: Any, whole: Any
    ) -> Pair:
        """In the graph: the window of sample `number`, with objects in `--paste` of it.

        `index` is that of its image, image (h, w, C) and mask (h, w) are the window,
        `start` (2,) int32 is its upper left corner in the image of size `whole` (2,).
        """
        config = self.config
        steps = config.steps_of_epoch(len(self.reader.split.sizes))
        samples = steps * config.images_per_step  # of an epoch
        last = tf.cast(samples * (1 - LAST_EPOCHS) * self.epochs, tf.int64)
        key = tf.cast(tf.stack([tf.constant(config.seed, tf.int64), number]), tf.int32)
        if (uniform(key, DRAW) < config.paste) & (number < last):
            inputs = [number, index, image, mask, start[0], whole[0]]
            shapes = image.shape, mask.shape
            image, mask = tf.numpy_function(
                self.pasted, inputs, (image.dtype, mask.dtype)
            )
            image = tf.ensure_shape(image, shapes[0])
            mask = tf.ensure_shape(mask, shapes[1])
        return image, mask

    def pasted(
        self,
        number: int,
        index: int,
        image: np.ndarray,
        mask: np.ndarray,
        top: int,
        height: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The window with 1 to MOST_OBJECTS objects of other images, where they fit.

        `top` is its first row in the image, which has `height` rows.
        """
        random = np.random.default_rng([self.config.seed, int(number), DRAW])
        image, mask = image.copy(), mask.copy()
        classes = list(self.of_class)
        for _ in range(random.integers(1, MOST_OBJECTS + 1)):
            class_id = classes[random.integers(len(classes))]
            mirrored = self.config.flip and random.random() < 0.5
            rows = np.array([top, top + len(mask)]) / float(height)
            chosen = self.choose(random, class_id, int(index), rows)
            patch = None if chosen is None else self.patch(chosen)
            if chosen is None or patch is None:
                continue
            source = self.reader.split.sizes[self.found.images[chosen]]
            rows_there = limit_side(source, self.reader.max_side)[0]
            patch = resized_patch(patch, float(height) / rows_there)
            patch = mirrored_patch(patch) if mirrored else patch
            row = round(self.found.boxes[chosen, 0] * float(height)) - int(top)
            covered = self.covered[class_id]
            paste_object(random, image, mask, patch, row, class_id, covered)
        return image, mask

    def choose(
        self, random: np.random.Generator, class_id: int, index: int, rows: np.ndarray
    ) -> Optional[int]:
        """A component of a class at least half of which is in a window's rows.

        `rows` (2,) are shares of the height. It is of another image than `index`; None
        if there is none.
        """
        listed = self.of_class[class_id]
        top, bottom = self.found.boxes[listed][:, [0, 2]].T
        within = np.minimum(bottom, rows[1]) - np.maximum(top, rows[0])
        fits = (within >= (bottom - top) / 2) & (self.found.images[listed] != index)
        fitting = listed[fits]
        return int(fitting[random.integers(len(fitting))]) if len(fitting) else None

    def patch(self, chosen: int) -> Optional[Patch]:
        """The pixels of a component; kept in memory while there is room."""
        if chosen in self.patches:
            return self.patches[chosen]
        found = self.found
        image, mask = self.reader.read(found.images[chosen])
        box = np.array([found.class_ids[chosen], *found.boxes[chosen]])
        patch = cut_out(image, mask, box)
        self.budget -= patch.image.nbytes + patch.inside.nbytes if patch else 0
        if self.budget > 0:
            self.patches[chosen] = patch
        return patch


def new_paster(
    config: TrainConfig, data: Dataset, reader: CachedReader
) -> Optional[Paster]:
    """The paster of a configuration; None without --paste. `reader` is of train.

    Raises InputError for classes that cannot be pasted.
    """
    if not config.paste:
        return None
    found = find_components(data)
    classes = pasted_classes(config.paste_classes, data.class_names, found)
    return Paster(config, found, classes, reader)


def pasting(
    paster: Paster, number: Any, index: Any, channels: Optional[int] = None
) -> Change:
    """The pasting of sample `number`, whose image is `index`, as a change of a window.

    With `channels`, images have so many and then their `coordinates.with_places`.
    """

    def change(image: Any, mask: Any, start: Any, whole: Any) -> Pair:
        def paste(image: Any, mask: Any, seed: Any) -> Pair:
            return paster(number, index, image, mask, start, whole)

        if channels is None:
            return paste(image, mask, None)
        return beside(paste, channels)(image, mask, None)

    return change

"""Splits in memory, and batches of them, for the tests of loading."""

from dataclasses import dataclass, replace

import numpy as np

from kseg.core.configs import TrainConfig
from kseg.data.loading.batches import training_batches
from kseg.data.loading.reader import CachedReader

SIZE = (16, 24)
COUNT = 7
PLAIN = TrainConfig(batch_size=2, scale=1.0, flip=False, color=0.0)
VARIED = replace(PLAIN, scale=1.6, flip=True, color=0.2)


@dataclass(frozen=True)
class Numbered:
    """Images in memory; all pixels of image i are i, those of its mask i % 3."""

    sizes: list
    channels: int = 3

    @property
    def names(self):
        return [str(index) for index in range(len(self.sizes))]

    def read(self, index):
        image = np.full((*self.sizes[index], self.channels), index, np.uint8)
        return image, np.full(self.sizes[index], index % 3, np.uint8)


@dataclass(frozen=True)
class Noisy(Numbered):
    """Images of random pixels; the masks consist of squares of `side` pixels."""

    side: int = 1

    def read(self, index):
        random = np.random.RandomState(index)
        height, width = self.sizes[index]
        image = random.randint(0, 256, (height, width, self.channels))
        rows, columns = -(-height // self.side), -(-width // self.side)
        mask = random.randint(0, 3, (rows, columns)).astype(np.uint8)
        mask = np.kron(mask, np.ones((self.side, self.side), np.uint8))
        return image.astype(np.uint8), mask[:height, :width]


def reader_of(split=None, max_side=1024):
    return CachedReader(split or Numbered([SIZE] * COUNT), max_side)


def batches_of(config, count, start_step=0, split=None, size=SIZE, border=0):
    """The first batches as numpy arrays."""
    reader = reader_of(split)
    channels = reader.split.channels
    stream = training_batches(reader, config, size, channels, start_step, border)
    return list(stream.take(count).as_numpy_iterator())


def assert_same(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others, strict=True):
        for array, other_array in zip(batch, other, strict=True):
            np.testing.assert_array_equal(array, other_array)

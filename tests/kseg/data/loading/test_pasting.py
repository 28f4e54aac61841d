"""Objects of rare classes in training crops."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.options import refuse_unused
from kseg.data.loading import pasting
from kseg.data.loading.batches import training_batches
from kseg.data.loading.pasting import new_paster
from kseg.data.loading.reader import CachedReader
from kseg.data.sample import Dataset, Sample
from tests.kseg.data.loading.helpers import PLAIN, assert_same

SIZE = (32, 40)
NAMES = ("ground", "sky", "sign")
PASTED = replace(PLAIN, paste=1.0, epochs=100)


@dataclass(frozen=True)
class Signs:
    """Sky over ground; a sign of 4x3 pixels at row 8 of every second image.

    The images are twice as large from the third on, with everything in them.
    """

    count: int = 4
    files = ()

    @property
    def names(self):
        return [str(index) for index in range(self.count)]

    @property
    def sizes(self):
        return [tuple(s * (1 + (k > 1)) for s in SIZE) for k in range(self.count)]

    def read(self, index):
        mask = np.zeros(SIZE, np.uint8)
        mask[:16] = 1
        if index % 2:
            mask[8:12, 5:8] = 2
        mask = np.kron(mask, np.ones((1 + (index > 1),) * 2, np.uint8))
        return Sample(np.repeat(mask[..., None] * 100, 3, 2), mask)


def stream(config, start=0, count=6):
    data = Dataset("signs", NAMES, ((0, 0, 0),) * 3, {"train": Signs()})
    reader = CachedReader(data.split("train"), 1024)
    paster = new_paster(config, data, reader)
    batches = training_batches(reader, config, SIZE, 3, start, paster=paster)
    return list(batches.take(count).as_numpy_iterator())


def signs(batches):
    """The number of pixels of signs in each crop."""
    return [int((mask == 2).sum()) for _, masks in batches for mask in masks]


def test_images_without_the_object_get_it():
    assert min(signs(stream(PLAIN))) == 0
    small = [s for s in signs(stream(replace(PASTED, scale=1.0), count=10)) if s]
    assert len(small) > 12


def test_image_and_mask_stay_alike_and_rows_stay():
    """Signs end 4 rows above the horizon in small images, 8 rows in large ones."""
    distances = set()
    for images, masks in stream(PASTED, count=15):
        np.testing.assert_array_equal(images[..., 0], masks * 100.0)
        for mask in masks:
            ground = np.flatnonzero((mask == 0).all(1))
            ends = np.flatnonzero((mask == 2).any(1))
            if len(ground) and len(ends):
                distances.add(int(ground[0] - 1 - ends[-1]))
    assert distances == {4, 8}


def test_crops_depend_on_seed_and_number_alone():
    first = stream(PASTED, count=8)
    assert_same(stream(PASTED, count=8), first)
    assert_same(stream(PASTED, start=3, count=5), first[3:])
    assert signs(stream(replace(PASTED, seed=1), count=8)) != signs(first)


def test_a_share_of_the_crops_and_not_the_last_epochs():
    plain = signs(stream(PLAIN, count=12))
    half = signs(stream(replace(PASTED, paste=0.5), count=12))
    changed = sum(a != b for a, b in zip(plain, half, strict=True))
    assert 4 <= changed <= 18
    ended = replace(PASTED, epochs=5)  # of 4 images: the last 4 samples of 20
    assert signs(stream(ended, start=8, count=2)) == signs(stream(PLAIN, 8, 2))
    # Three images a step leave one out in each epoch: the last 3 samples of 15.
    ended, plain = (replace(each, batch_size=3) for each in (ended, PLAIN))
    assert signs(stream(ended, start=4, count=1)) == signs(stream(plain, 4, 1))
    assert signs(stream(ended, start=3, count=1)) != signs(stream(plain, 3, 1))


def test_objects_of_the_same_image_are_not_pasted():
    data = Dataset("signs", NAMES, ((0, 0, 0),) * 3, {"train": Signs(2)})
    reader = CachedReader(data.split("train"), 1024)
    paster = new_paster(PASTED, data, reader)
    random, rows = np.random.default_rng(0), np.array([0.0, 1.0])
    assert paster.choose(random, 2, 0, rows) is not None
    assert paster.choose(random, 2, 1, rows) is None
    assert paster.choose(random, 2, 0, np.array([0.5, 1.0])) is None


def test_patches_beyond_the_memory_are_read_again(monkeypatch):
    monkeypatch.setattr(pasting, "PATCH_BYTES", 0)
    assert_same(stream(PASTED, count=3), stream(PASTED, count=3))


def test_options():
    with pytest.raises(InputError, match="'tree' is not a class"):
        stream(replace(PASTED, paste_classes=("tree",)))
    with pytest.raises(InputError, match="--paste-classes: has no effect without"):
        refuse_unused(TrainConfig(paste_classes=("sign",)))

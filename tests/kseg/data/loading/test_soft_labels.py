"""Soft labels: their files, and that crops of them fit the crops of the masks."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.data.loading.batches import training_batches
from kseg.data.loading.soft_labels import (
    SoftLabels,
    decode,
    encode,
    sample,
    stored_size,
)
from tests.kseg.data.loading.helpers import PLAIN, VARIED, Noisy, reader_of

SIZE, CLASSES = (24, 32), 3


def divergence(target: np.ndarray, other: np.ndarray) -> np.ndarray:
    """KL(target || other) of the last axis, in float64."""
    target = target.astype(np.float64)
    share = np.where(target > 0, target / other, 1.0)
    return (target * np.log(share)).sum(-1)


@pytest.mark.parametrize("classes", (2, 11, 150))
@pytest.mark.parametrize("sharpness", (0.5, 3.0, 12.0))
def test_the_error_of_storing_is_within_its_bound(classes, sharpness):
    random = np.random.RandomState(0)
    odds = np.exp(sharpness * random.normal(size=(5000, classes)))
    exact = odds / odds.sum(-1, keepdims=True)
    assert divergence(decode(encode(exact)), exact).max() < 3 * classes / 510**2


def test_classes_that_are_certain_are_stored_exactly():
    one_hot = np.eye(4)[[2, 0]]
    np.testing.assert_array_equal(decode(encode(one_hot)), one_hot)


def test_a_file_gives_what_was_written(tmp_path):
    soft = SoftLabels(tmp_path, [(5, 7), (4, 4)], CLASSES, channels=3)
    assert soft.missing() == [0, 1] and soft.nbytes == (3 * 4 + 2 * 2) * CLASSES
    values = np.random.RandomState(0).randint(0, 256, (3, 4, CLASSES), np.uint8)
    soft.write(0, values)
    np.testing.assert_array_equal(soft.read(0), values)
    assert soft.missing() == [1]
    soft.path(0).write_bytes(b"")  # as a power failure may leave it
    assert soft.missing() == [0, 1]


@pytest.mark.parametrize("content", (b"", b"damaged", None))
def test_a_damaged_file_is_named(content, tmp_path):
    soft = SoftLabels(tmp_path, [(4, 4)], CLASSES, channels=3)
    if content is not None:
        soft.path(0).write_bytes(content)
    with pytest.raises(
        InputError, match="000000.soft: cannot be read .*; remove its fo"
    ):
        soft.read(0)
    assert "000000.soft" in str(soft.failure)


def test_sampling_is_bilinear_and_repeats_the_edge():
    soft = np.uint8([[[0, 200]], [[100, 0]]])  # two rows
    rows = np.float32([[-0.5], [0], [0.5], [1], [1.5]])
    found = sample(soft, rows, np.zeros_like(rows))
    assert found[:, 0].tolist() == [[0, 200], [0, 200], [50, 100], [100, 0], [100, 0]]


def test_many_classes_are_sampled_in_parts():
    soft = np.random.RandomState(0).randint(0, 256, (4, 4, 150), np.uint8)
    rows, columns = np.mgrid[:4, :4].astype(np.float32)
    np.testing.assert_array_equal(sample(soft, rows, columns), soft)


# --- crops ---

# Squares of 8 pixels: half the size holds them exactly.
SPLIT = Noisy([SIZE] * 4, side=8)


@pytest.fixture
def one_hot(tmp_path) -> SoftLabels:
    """Soft labels that are certain of the class in the mask."""
    soft = SoftLabels(tmp_path, SPLIT.sizes, CLASSES, channels=3)
    for index, size in enumerate(SPLIT.sizes):
        mask = SPLIT.read(index)[1][::2, ::2]
        assert mask.shape == stored_size(size)
        soft.write(index, encode(np.eye(CLASSES)[mask]))
    return soft


def crops_of(config, soft, size=SIZE, border=0, count=6):
    reader = reader_of(SPLIT)
    stream = training_batches(reader, config, size, 3, border=border, soft=soft)
    return list(stream.take(count).as_numpy_iterator())


GEOMETRY = replace(PLAIN, color=0.1, noise=0.01)
CASES = {
    "whole": GEOMETRY,
    "mirrored": replace(GEOMETRY, flip=True, flip_vertical=True),
    "scaled": replace(GEOMETRY, scale=2.0),
    "rare": replace(GEOMETRY, scale=1.5, rare_crops=1.0),
    "deformed": replace(GEOMETRY, rotate=30.0, elastic=2.0),
    "all": replace(VARIED, rotate=10.0, flip_vertical=True, cutout=0.2, blur=0.5),
}


@pytest.mark.parametrize("name", CASES)
def test_soft_labels_move_as_masks_do(name, one_hot):
    """Equal but for pixels at the borders of classes, which are interpolated."""
    learned = agreeing = 0
    for _, mask, soft in crops_of(CASES[name], one_hot):
        assert soft.shape == (*mask.shape, CLASSES) and soft.dtype == np.uint8
        certain = soft.max(-1) > 240
        both = certain & (mask != 255)
        learned += both.sum()
        agreeing += (soft.argmax(-1) == mask)[both].sum()
    assert learned > 1000 and agreeing / learned > 0.99


def test_whole_crops_are_exact_inside_the_squares(one_hot):
    _, mask, soft = crops_of(PLAIN, one_hot)[0]
    inside = np.zeros(8, bool)
    inside[2:6] = True
    rows, columns = (np.tile(inside, side // 8) for side in SIZE)
    both = np.ix_(range(len(mask)), rows, columns)
    np.testing.assert_array_equal(decode(soft)[both], np.eye(CLASSES)[mask[both]])


@pytest.mark.slow
def test_images_and_masks_are_those_without_teachers(one_hot):
    for config in CASES.values():
        with_soft = crops_of(config, one_hot, count=2)
        for (image, mask, _), (other, same) in zip(
            with_soft, crops_of(config, None, count=2), strict=True
        ):
            np.testing.assert_array_equal(image, other)
            np.testing.assert_array_equal(mask, same)


@pytest.mark.parametrize("options", ({}, {"rotate": 30.0}, {"cutout": 0.4}))
def test_padding_and_what_is_hidden_has_no_soft_labels(options, one_hot):
    """The masks have no void of their own."""
    config = replace(PLAIN, scale=1.0, **options)
    for _, mask, soft in crops_of(config, one_hot, size=(40, 40)):
        void, without = mask == 255, soft.max(-1) == 0
        assert void.any() and (~void).any()
        differing = (void != without).mean()
        assert differing < (0.03 if "rotate" in options else 1e-9)


def test_void_of_the_mask_has_soft_labels(one_hot):
    class Void(Noisy):
        def read(self, index):
            image, mask = super().read(index)
            return image, np.full_like(mask, 255)

    reader = reader_of(Void([SIZE] * 4, side=8))
    stream = training_batches(reader, PLAIN, SIZE, 3, soft=one_hot)
    _, mask, soft = next(iter(stream.take(1).as_numpy_iterator()))
    assert (mask == 255).all() and (soft.max(-1) > 100).all()


def test_networks_of_valid_convolutions_have_a_margin_without(one_hot):
    for _, mask, soft in crops_of(replace(PLAIN, scale=1.3), one_hot, border=3):
        assert mask.shape[1:] == soft.shape[1:3] == (SIZE[0] - 6, SIZE[1] - 6)
        certain = (soft.max(-1) > 240) & (mask != 255)
        assert (soft.argmax(-1) == mask)[certain].mean() > 0.99


def test_a_share_of_the_pixels_has_both_labels_or_none(one_hot):
    config = replace(PLAIN, loss_share=0.5)
    _, mask, soft = crops_of(config, one_hot)[0]
    np.testing.assert_array_equal(mask == 255, soft.max(-1) == 0)
    assert 0.4 < (mask == 255).mean() < 0.6

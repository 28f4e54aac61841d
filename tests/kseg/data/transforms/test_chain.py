"""Tests of every op, of `sample_loss` and of chains."""

import numpy as np
import pytest

from kseg.data.transforms.chain import chain, sample_loss
from kseg.data.transforms.crops import (
    mirrored_crop,
    scale_and_crop,
)
from kseg.data.transforms.geometry import (
    elastic,
    flip,
    flip_vertical,
    rotate,
    warp,
)
from kseg.data.transforms.photometric import blur, color, cutout, noise
from tests.kseg.data.transforms.helpers import (
    CROP,
    VOID,
    applied,
    applied_in_pipeline,
    blocks,
    encoded,
    many,
    photo,
    unanimous,
)

OPS = {
    "flip": flip(),
    "flip_vertical": flip_vertical(),
    "scale_and_crop": scale_and_crop(CROP, 1.6),
    "crop": scale_and_crop(CROP, 1.0),
    "rare_crop": scale_and_crop(CROP, 1.6, rare=0.5),
    "mirrored_crop": mirrored_crop(CROP, 1.6, 6),
    "rare_mirrored_crop": mirrored_crop(CROP, 1.6, 6, rare=0.5),
    "elastic": elastic(8.0),
    "rotate": rotate(30.0),
    "warp": warp(4.0, 20.0),
    "color": color(0.3),
    "blur": blur(1.0),
    "noise": noise(0.04),
    "cutout": cutout(0.3),
    "chain": chain(scale_and_crop(CROP, 1.6), elastic(4.0), flip(), color(0.2)),
}

each_op = pytest.mark.parametrize("op", OPS.values(), ids=OPS.keys())


# --- every op ---


@each_op
@pytest.mark.parametrize("channels", (1, 3))
@pytest.mark.parametrize("seed", ((0, 0), (0, 1), (3, 12345)), ids=str)
def test_eager_and_in_a_pipeline_is_the_same(op, channels, seed):
    image, mask = photo(channels=channels), blocks()
    eager = applied(op, image, mask, seed)
    traced = applied_in_pipeline(op, image, mask, seed)
    np.testing.assert_allclose(traced[0], eager[0], atol=1e-3)
    np.testing.assert_array_equal(traced[1], eager[1])


@each_op
def test_dtypes_and_channels_are_kept(op):
    for channels in (1, 3):
        image, mask = applied(op, photo(channels=channels), blocks())
        assert image.dtype == np.float32
        assert mask.dtype == np.uint8
        assert image.shape == (*mask.shape, channels)


@each_op
def test_equal_seeds_give_equal_results(op):
    first, second = (applied(op, photo(), blocks(), (4, 5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@each_op
def test_different_seeds_give_different_results(op):
    images = [image.tobytes() for image, _ in many(op, photo(), blocks(), 8)]
    assert len(set(images)) >= 2
    first = applied(op, photo(), blocks(), (0, 5))[0]
    others = [applied(op, photo(), blocks(), (k, 5))[0] for k in range(1, 8)]
    assert any(not np.array_equal(first, other) for other in others)


@each_op
def test_image_and_mask_stay_aligned(op):
    mask = blocks()
    for image, cut in many(op, encoded(mask), mask, 16):
        uniform = unanimous(cut) & (cut != VOID)
        assert uniform.any()
        shown = image.mean(axis=2)
        ids = cut.astype(int)
        # Colours change, but not their order.
        darkest = np.full(5, np.inf)
        brightest = np.full(5, -np.inf)
        for index in np.unique(ids[uniform]):
            darkest[index] = shown[uniform & (ids == index)].min()
            brightest[index] = shown[uniform & (ids == index)].max()
        for index in range(3):
            assert brightest[index] <= darkest[index + 1] + 1e-3


@each_op
def test_labels_are_never_blended(op):
    # Interpolation of 0 and 200 would give values between.
    mask = np.where(blocks(side=5) > 1, 200, 0).astype(np.uint8)
    for _, cut in many(op, photo(), mask, 16):
        assert set(np.unique(cut)) <= {0, 200, VOID}


# --- sampling the loss ---


@pytest.mark.parametrize("share", (0.1, 0.5, 0.9))
def test_share_of_the_pixels_is_kept(share):
    image, mask = photo(100, 100), blocks(100, 100)
    masks = []
    for same, ids in many(sample_loss(share), image, mask, 8):
        np.testing.assert_array_equal(same, image)
        kept = ids != VOID
        np.testing.assert_array_equal(ids[kept], mask[kept])
        deviation = 100 * np.sqrt(share * (1 - share))
        assert abs(kept.sum() - 10_000 * share) < 4 * deviation
        masks.append(ids.tobytes())
    assert len(set(masks)) == 8


def test_every_pixel_is_kept_with_equal_probability():
    mask = np.ones((6, 7), np.uint8)
    masks = [ids for _, ids in many(sample_loss(0.5), photo(6, 7), mask, 400)]
    frequency = np.mean(np.array(masks) == 1, axis=0)
    assert (abs(frequency - 0.5) < 4 * 0.5 / np.sqrt(400)).all()


def test_sampling_depends_on_the_seed_and_is_the_same_in_a_pipeline():
    op = sample_loss(0.5)
    triple = photo(), blocks(), (3, 4)
    first = applied(op, *triple)[1]
    np.testing.assert_array_equal(applied(op, *triple)[1], first)
    np.testing.assert_array_equal(applied_in_pipeline(op, *triple)[1], first)
    assert not np.array_equal(applied(op, photo(), blocks(), (3, 5))[1], first)
    assert not np.array_equal(applied(op, photo(), blocks(), (2, 4))[1], first)


def test_share_of_1_changes_nothing():
    np.testing.assert_array_equal(
        applied(sample_loss(1.0), photo(), blocks())[1], blocks()
    )


@pytest.mark.parametrize("share", (0.0, -0.1, 1.01, float("nan")))
def test_share_is_over_0_and_at_most_1(share):
    with pytest.raises(ValueError, match="share"):
        sample_loss(share)


# --- ops of zero strength ---


@pytest.mark.parametrize(
    "op",
    (rotate(0), noise(0), cutout(0), blur(0.001)),
    ids=("rotate", "noise", "cutout", "blur"),
)
def test_zero_strength_changes_nothing(op):
    image, mask = photo(), blocks()
    for same, ids in many(op, image, mask, 8):
        np.testing.assert_allclose(same, image, atol=1e-3)
        np.testing.assert_array_equal(ids, mask)


# --- chain ---


def test_chain_gives_each_op_a_seed_of_its_own():
    """Two flips with the same seed would always cancel each other."""
    image, mask = photo(4, 6), blocks(4, 6, side=1)
    pairs = many(chain(flip(), flip()), image, mask)
    unchanged = [np.array_equal(cut, mask) for _, cut in pairs]
    assert 0 < sum(unchanged) < len(unchanged)

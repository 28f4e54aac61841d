from dataclasses import replace

import keras
import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.data.loading import batches
from kseg.data.loading.batches import augmentation, training_batches, validation_batches
from kseg.data.transforms.border_weights import border_weights
from tests.kseg.data.loading.helpers import (
    COUNT,
    PLAIN,
    SIZE,
    VARIED,
    Noisy,
    Numbered,
    assert_same,
    batches_of,
    reader_of,
)

PAPERS = replace(VARIED, elastic=3.0, border_weight=10.0, loss_share=0.5)
ALL = replace(
    VARIED,
    elastic=3.0,
    rotate=20.0,
    flip_vertical=True,
    blur=1.0,
    noise=0.1,
    cutout=0.2,
    rare_crops=0.5,
)

BORDER = 3


def order(config, count):
    """The indices of the images in the order of the stream."""
    batches = batches_of(config, -(-count // config.batch_size))
    images = np.concatenate([images for images, _ in batches])
    return images[:count, 0, 0, 0].astype(int).tolist()


# --- training ---


@pytest.mark.parametrize("config", (PLAIN, VARIED), ids=("plain", "varied"))
@pytest.mark.parametrize("channels", (1, 3))
def test_shape_and_type_of_batches(config, channels):
    size = (32, 40)  # larger than the images
    split = Numbered([SIZE] * COUNT, channels)
    for image, mask in batches_of(config, 3, split=split, size=size):
        assert image.shape == (2, *size, channels)
        assert image.dtype == np.float32
        assert mask.shape == (2, *size)
        assert mask.dtype == np.uint8


def test_images_keep_their_masks():
    for image, mask in batches_of(PLAIN, 10):
        np.testing.assert_array_equal(mask, image[..., 0] % 3)


@pytest.mark.parametrize("batch_size", (1, 2, 5, 7, 10))
def test_every_epoch_has_every_image_once(batch_size):
    config = replace(PLAIN, batch_size=batch_size)
    indices = order(config, 4 * COUNT)
    for epoch in range(4):
        one = indices[epoch * COUNT : (epoch + 1) * COUNT]
        assert sorted(one) == list(range(COUNT))


def test_order_differs_from_epoch_to_epoch():
    indices = order(PLAIN, 6 * COUNT)
    epochs = {tuple(indices[k : k + COUNT]) for k in range(0, 6 * COUNT, COUNT)}
    assert len(epochs) >= 5


def test_order_depends_on_the_seed():
    orders = {seed: order(replace(PLAIN, seed=seed), COUNT) for seed in range(4)}
    assert len({tuple(indices) for indices in orders.values()}) >= 3
    assert order(replace(PLAIN, seed=2), COUNT) == orders[2]


def test_augmentation_depends_on_the_seed():
    split = Noisy([(40, 48)] * COUNT)
    first = batches_of(VARIED, 5, split=split)
    assert_same(batches_of(VARIED, 5, split=split), first)
    other = batches_of(replace(VARIED, seed=1), 5, split=split)
    assert any(
        not np.array_equal(a[0], b[0]) for a, b in zip(first, other, strict=True)
    )


def test_augmentation_differs_from_epoch_to_epoch():
    split = Noisy([(40, 48)])
    images = [image for image, _ in batches_of(VARIED, 4, split=split)]
    images = np.concatenate(images)
    assert len({image.tobytes() for image in images}) == len(images)


def op_names(monkeypatch, config, border=0):
    monkeypatch.setattr(batches, "chain", lambda *steps: steps)
    return [op.__qualname__.split(".")[0] for op in augmentation(config, SIZE, border)]


def test_disabled_ops_are_absent(monkeypatch):
    assert op_names(monkeypatch, PLAIN) == ["scale_and_crop"]
    assert op_names(monkeypatch, PLAIN, BORDER) == ["mirrored_crop", "crop_mask"]
    for option in ("rotate", "elastic"):
        config = replace(PLAIN, **{option: 1.0})
        assert op_names(monkeypatch, config) == ["scale_and_crop", "warp"]


def test_order_of_augmentation(monkeypatch):
    """Geometry before colour; cutout is last, so that hidden pixels stay mid-grey."""
    order = ["warp", "flip", "flip_vertical", "color", "blur", "noise", "cutout"]
    assert op_names(monkeypatch, ALL) == ["scale_and_crop", *order]
    bordered = op_names(monkeypatch, ALL, BORDER)
    assert bordered == ["mirrored_crop", *order, "crop_mask"]


AUGMENTED = ((VARIED, 0), (PAPERS, 0), (PAPERS, BORDER), (ALL, 0), (ALL, BORDER))
QUICK = {(1, 0), (4, 1), (9, 2), (4, 3), (9, 4)}  # pairs of all steps and AUGMENTED


@pytest.mark.parametrize(
    "step, config, border",
    [
        pytest.param(
            step, *augmented, marks=() if (step, i) in QUICK else pytest.mark.slow
        )
        for step in (1, 4, 9)
        for i, augmented in enumerate(AUGMENTED)
    ],
)
def test_a_stream_continues_from_any_step(step, config, border):
    split = Noisy([(40, 48)] * COUNT, side=4)
    whole = batches_of(config, 12, split=split, border=border)
    rest = batches_of(config, 12 - step, step, split, border=border)
    assert_same(rest, whole[step:])


@pytest.mark.parametrize("seed", (0, 2**31 - 1, 2**31, 2**32 - 1))
def test_seeds_that_numpy_accepts(seed):
    assert sorted(order(replace(PLAIN, seed=seed), COUNT)) == list(range(COUNT))


# --- methods of papers ---


def test_loss_share_increases_the_images_per_step():
    split = Noisy([(40, 48)] * COUNT)
    config = replace(VARIED, batch_size=2, loss_share=0.3)
    batches = batches_of(config, 3, split=split)
    whole = batches_of(replace(VARIED, batch_size=7), 3, split=split)
    for (image, mask), (same, ids) in zip(batches, whole, strict=True):
        np.testing.assert_array_equal(image, same)  # 7 = round(2 / 0.3) of them
        kept = mask != 255
        np.testing.assert_array_equal(mask[kept], ids[kept])
        assert 0.2 < kept.sum() / (ids != 255).sum() < 0.4


def test_weights_are_computed_before_pixels_become_void():
    split = Noisy([(40, 48)] * COUNT, side=6)
    config = replace(PAPERS, loss_share=1.0, batch_size=4)
    sampled = replace(PAPERS, batch_size=2)  # of 4 images
    for batch, other in zip(
        batches_of(config, 3, split=split),
        batches_of(sampled, 3, split=split),
        strict=True,
    ):
        _, masks, weights = batch
        assert weights.shape == masks.shape and weights.dtype == np.float32
        by_hand = [border_weights(mask, w0=10.0) for mask in masks]
        np.testing.assert_array_equal(weights, by_hand)
        assert weights.max() > 2
        np.testing.assert_array_equal(other[2], weights)
        assert (other[1] == 255).mean() > 0.4


def test_fit_weights_the_loss_but_not_the_metric():
    """`MeanIoU` does not accept weights, and Keras passes none to `metrics`."""
    from kseg.evaluation.metrics.keras_metrics import MeanIoU
    from kseg.training.losses.pixel import cross_entropy
    from kseg.training.losses.segmentation import SegmentationLoss

    split = Noisy([(40, 48)] * COUNT, side=6)
    stream = training_batches(reader_of(split), PAPERS, SIZE, 3)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((*SIZE, 3)), keras.layers.Conv2D(3, 1)])
    loss = SegmentationLoss()
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=[MeanIoU(3)])
    history = model.fit(
        stream, steps_per_epoch=1, epochs=2, shuffle=False, verbose=0
    ).history
    ((image, mask, weight),) = stream.take(1)
    by_hand = cross_entropy(mask, model(image), weight=weight)
    assert history["loss"][0] == pytest.approx(float(by_hand), rel=1e-5)
    metric = MeanIoU(3)
    metric.update_state(mask, model(image))
    assert history["mean_iou"][0] == pytest.approx(float(metric.result()), rel=1e-5)


# --- a border ---


def test_border_keeps_the_centre_of_the_mask():
    split = Numbered([(40, 48)] * COUNT)
    for image, mask in batches_of(VARIED, 6, split=split, border=BORDER):
        assert image.shape == (2, *SIZE, 3)
        assert mask.shape == (2, SIZE[0] - 2 * BORDER, SIZE[1] - 2 * BORDER)
        assert (mask != 255).all()


def test_border_keeps_images_and_masks_aligned():
    split = Numbered([SIZE] * COUNT)  # smaller than crop and border: reflected
    for image, mask in batches_of(PLAIN, 6, split=split, border=BORDER):
        inside = image[:, BORDER:-BORDER, BORDER:-BORDER, 0]
        np.testing.assert_array_equal(mask, inside % 3)


def test_border_that_leaves_nothing_is_an_error():
    with pytest.raises(InputError, match="--size 16x24.*over 16x16"):
        batches_of(PLAIN, 1, border=8)
    batches_of(PLAIN, 1, border=7)


def test_validation_images_are_padded_to_an_accepted_size():
    split = Noisy([(20, 30)] * 3)
    batches = validation_batches(
        reader_of(split), 2, 3, border=4, input_step=8, min_input=12
    )
    batches = list(batches.as_numpy_iterator())
    assert [image.shape for image, _ in batches] == [(2, 28, 44, 3), (1, 28, 44, 3)]
    for index, (image, mask) in enumerate(
        pair for batch in batches for pair in zip(*batch, strict=True)
    ):
        original, ids = split.read(index)
        around = ((4, 4), (4, 10), (0, 0))
        np.testing.assert_array_equal(image, np.pad(original, around, mode="reflect"))
        assert image.dtype == np.float32
        padded = np.pad(ids, ((0, 0), (0, 6)), constant_values=255)
        np.testing.assert_array_equal(mask, padded)


# --- validation ---


def test_images_of_equal_size_are_batched():
    batches = list(validation_batches(reader_of(), 3, 3).as_numpy_iterator())
    assert [image.shape for image, _ in batches] == [
        (3, *SIZE, 3),
        (3, *SIZE, 3),
        (1, *SIZE, 3),
    ]
    images = np.concatenate([image for image, _ in batches])
    assert images[:, 0, 0, 0].tolist() == list(range(COUNT))
    assert images.dtype == np.float32
    assert {mask.dtype for _, mask in batches} == {np.dtype("uint8")}


def test_images_of_several_sizes_are_not_batched():
    sizes = [(16, 24), (24, 16), (16, 24), (9, 9)]
    batches = validation_batches(reader_of(Numbered(sizes)), 3, 3).as_numpy_iterator()
    for index, (image, mask) in enumerate(batches):
        assert image.shape == (1, *sizes[index], 3)
        assert mask.shape == (1, *sizes[index])
        assert (image == index).all() and (mask == index % 3).all()
    assert index == 3


def test_images_of_equal_limited_size_are_batched():
    reader = reader_of(Numbered([(20, 40), (30, 60)]), max_side=20)
    ((image, mask),) = validation_batches(reader, 2, 3).as_numpy_iterator()
    assert image.shape == (2, 10, 20, 3)
    assert mask.shape == (2, 10, 20)


def test_validation_starts_from_the_beginning_each_time():
    batches = validation_batches(reader_of(), 2, 3)
    first, second = (list(batches.as_numpy_iterator()) for _ in range(2))
    assert_same(first, second)

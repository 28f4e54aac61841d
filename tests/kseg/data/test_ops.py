import cv2
import numpy as np
import pytest
import tensorflow as tf

from kseg.data import ops

CROP = (40, 48)
VOID = 255


def blocks(height=64, width=96, side=16, seed=0):
    """A mask of squares with ids 0 to 3, (H, W) uint8."""
    rows, columns = -(-height // side), -(-width // side)
    ids = np.random.RandomState(seed).randint(0, 4, (rows, columns)).astype(np.uint8)
    return np.kron(ids, np.ones((side, side), np.uint8))[:height, :width]


def encoded(mask):
    """An image (H, W, 3) float32 that shows its mask: id 0 is 0, id 3 is 240."""
    return np.repeat(mask[..., None] * 80.0, 3, axis=2).astype(np.float32)


def photo(height=64, width=96, channels=3):
    """Noise, (H, W, C) float32."""
    random = np.random.RandomState(1)
    return random.uniform(0, 255, (height, width, channels)).astype(np.float32)


def applied(op, image, mask, seed=(0, 0)):
    image, mask = op(tf.constant(image), tf.constant(mask), tf.constant(seed, tf.int32))
    return image.numpy(), mask.numpy()


def applied_in_pipeline(op, image, mask, seed=(0, 0)):
    triple = image, mask, np.array(seed, np.int32)
    pair = next(iter(tf.data.Dataset.from_tensors(triple).map(op)))
    return tuple(x.numpy() for x in pair)


def many(op, image, mask, count=32):
    """The pairs of seeds (7, 0) to (7, count - 1), by one graph."""
    triples = tf.data.Dataset.range(count).map(
        lambda k: (image, mask, tf.stack([7, tf.cast(k, tf.int32)]))
    )
    return [(i.numpy(), m.numpy()) for i, m in triples.map(op)]


def unanimous(mask, reach=7):
    """Where a mask has one id all around, (H, W) bool."""
    around = np.ones((reach, reach), np.uint8)
    return cv2.dilate(mask, around) == cv2.erode(mask, around)


OPS = {
    "flip": ops.flip(),
    "scale_and_crop": ops.scale_and_crop(CROP, 1.6),
    "crop": ops.scale_and_crop(CROP, 1.0),
    "color": ops.color(0.3),
    "chain": ops.chain(ops.scale_and_crop(CROP, 1.6), ops.flip(), ops.color(0.2)),
}
each_op = pytest.mark.parametrize("op", OPS.values(), ids=OPS.keys())


# --- what holds for every op ---


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
def test_types_and_channels_stay(op):
    for channels in (1, 3):
        image, mask = applied(op, photo(channels=channels), blocks())
        assert image.dtype == np.float32
        assert mask.dtype == np.uint8
        assert image.shape == (*mask.shape, channels)


@each_op
def test_the_same_seed_does_the_same(op):
    first, second = (applied(op, photo(), blocks(), (4, 5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@each_op
def test_other_seeds_do_other_things(op):
    images = [image.tobytes() for image, _ in many(op, photo(), blocks(), 8)]
    assert len(set(images)) >= 2
    first = applied(op, photo(), blocks(), (0, 5))[0]
    others = [applied(op, photo(), blocks(), (k, 5))[0] for k in range(1, 8)]
    assert any(not np.array_equal(first, other) for other in others)


@each_op
def test_image_and_mask_stay_aligned(op):
    mask = blocks()
    for image, cut in many(op, encoded(mask), mask, 16):
        sure = unanimous(cut) & (cut != VOID)
        assert sure.any()
        shown = image.mean(axis=2)
        ids = cut.astype(int)
        # Colours change, their order does not.
        darkest = np.full(5, np.inf)
        brightest = np.full(5, -np.inf)
        for index in np.unique(ids[sure]):
            darkest[index] = shown[sure & (ids == index)].min()
            brightest[index] = shown[sure & (ids == index)].max()
        for index in range(3):
            assert brightest[index] <= darkest[index + 1] + 1e-3


@each_op
def test_labels_are_never_blended(op):
    # Blended, 0 and 200 give something between.
    mask = np.where(blocks(side=5) > 1, 200, 0).astype(np.uint8)
    for _, cut in many(op, photo(), mask, 16):
        assert set(np.unique(cut)) <= {0, 200, VOID}


# --- flip ---


def test_flip_mirrors_exactly_half_of_the_pairs():
    image, mask = photo(6, 9), blocks(6, 9, side=2)
    flips = 0
    for flipped, cut in many(ops.flip(), image, mask, 64):
        turned = np.array_equal(cut, mask[:, ::-1])
        flips += turned
        step = -1 if turned else 1
        np.testing.assert_array_equal(flipped, image[:, ::step])
        np.testing.assert_array_equal(cut, mask[:, ::step])
    assert 16 <= flips <= 48  # of 64: four standard deviations about 32


# --- scale and crop ---


@pytest.mark.parametrize("largest", (1.0, 1.6, 3.0))
@pytest.mark.parametrize(
    "height, width",
    ((64, 96), (40, 48), (20, 30), (120, 20), (41, 47), (1, 1), (1, 200)),
)
def test_size_is_that_asked_for(height, width, largest):
    op = ops.scale_and_crop(CROP, largest)
    for image, mask in many(op, photo(height, width), blocks(height, width), 4):
        assert image.shape == (*CROP, 3)
        assert mask.shape == CROP


def test_size_is_known_to_the_graph():
    pairs = tf.data.Dataset.from_tensors((photo(), blocks(), np.zeros(2, np.int32)))
    image, mask = pairs.map(ops.scale_and_crop(CROP, 1.6)).element_spec
    assert image.shape == (*CROP, 3)
    assert mask.shape == CROP


def test_padding_is_mid_grey_and_void():
    image, mask = photo(10, 12), blocks(10, 12)
    padded, cut = applied(ops.scale_and_crop(CROP, 1.0), image, mask)
    np.testing.assert_array_equal(padded[:10, :12], image)
    np.testing.assert_array_equal(cut[:10, :12], mask)
    outside = np.ones(CROP, bool)
    outside[:10, :12] = False
    assert set(padded[outside].ravel()) == {128}
    assert set(cut[outside]) == {VOID}


def test_padding_and_void_are_in_the_same_place():
    for image, mask in many(ops.scale_and_crop(CROP, 3.0), encoded(blocks()), blocks()):
        grey = (image == 128).all(axis=2)
        np.testing.assert_array_equal(grey, mask == VOID)


def test_unscaled_crops_are_windows_of_the_image():
    height, width = 50, 60
    # Each pixel says where it is.
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows, columns, rows], axis=2).astype(np.float32)
    starts = set()
    for cut, _ in many(ops.scale_and_crop(CROP, 1.0), image, blocks(height, width), 64):
        row, column = cut[0, 0, :2].astype(int)
        starts.add((row, column))
        window = image[row : row + CROP[0], column : column + CROP[1]]
        np.testing.assert_array_equal(cut, window)
    assert {row for row, _ in starts} >= {0, 10}  # the outermost ones too
    assert {column for _, column in starts} >= {0, 12}


def test_scales_go_from_small_to_large():
    """Stripes have their period of 16 times the factor."""
    mask = np.tile(np.arange(200) // 8 % 2, (200, 1)).astype(np.uint8)
    factors = []
    for _, cut in many(ops.scale_and_crop((96, 96), 2.0), photo(200, 200), mask, 48):
        starts = np.flatnonzero((cut[48, 1:] == 1) & (cut[48, :-1] == 0))
        factors.append(np.diff(starts).mean() / 16)
    assert 0.45 < min(factors) < 0.65
    assert 1.6 < max(factors) < 2.2
    # By its logarithm: as many are shrunk as are enlarged.
    assert 0.8 < np.median(factors) < 1.25


# --- colour ---


@pytest.mark.parametrize("channels", (1, 3))
@pytest.mark.parametrize("strength", (0.2, 1.0))
def test_color_keeps_the_range_and_the_mask(channels, strength):
    image, mask = photo(channels=channels), blocks()
    for changed, cut in many(ops.color(strength), image, mask, 16):
        assert 0 <= changed.min() and changed.max() <= 255
        assert not np.array_equal(changed, image)
        np.testing.assert_array_equal(cut, mask)


def test_color_of_no_strength_changes_nothing():
    image, mask = photo(), blocks()
    for changed, _ in many(ops.color(0.0), image, mask, 4):
        np.testing.assert_allclose(changed, image, atol=1e-3)


def test_color_leaves_grey_pictures_grey():
    for changed, _ in many(ops.color(0.5), encoded(blocks()), blocks(), 8):
        np.testing.assert_allclose(changed, changed[..., :1].repeat(3, 2), atol=1e-3)


# --- chain ---


def test_chain_gives_each_op_a_seed_of_its_own():
    """Two flips of one seed would always undo each other."""
    image, mask = photo(4, 6), blocks(4, 6, side=1)
    pairs = many(ops.chain(ops.flip(), ops.flip()), image, mask)
    unturned = [np.array_equal(cut, mask) for _, cut in pairs]
    assert 0 < sum(unturned) < len(unturned)

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kseg.data.transforms import crops
from kseg.data.transforms.chain import chain, sample_loss
from kseg.data.transforms.crops import (
    cut_mask,
    mirrored_crop,
    mirrored_to,
    mirrored_window,
    on_a_class,
    scale_and_crop,
)
from kseg.data.transforms.geometry import (
    bend,
    elastic,
    flip,
    flip_vertical,
    rotate,
    warp,
)
from kseg.data.transforms.photometric import blur, blurred, color, cutout, noise

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


def places(height, width):
    """An image (H, W, 3) float32 that says at each pixel which row and column it is."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows], axis=2).astype(np.float32)


def mirrored(image, above, left, below, right):
    """An image gone on by NumPy's `reflect`."""
    around = ((above, below), (left, right), (0, 0))
    return np.pad(image, around, mode="reflect")


def unanimous(mask, reach=7):
    """Where a mask has one id all around, (H, W) bool."""
    around = np.ones((reach, reach), np.uint8)
    return cv2.dilate(mask, around) == cv2.erode(mask, around)


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
    for flipped, cut in many(flip(), image, mask, 64):
        turned = np.array_equal(cut, mask[:, ::-1])
        flips += turned
        step = -1 if turned else 1
        np.testing.assert_array_equal(flipped, image[:, ::step])
        np.testing.assert_array_equal(cut, mask[:, ::step])
    assert 16 <= flips <= 48  # of 64: four standard deviations about 32


def test_flip_vertical_turns_half_of_the_pairs_upside_down():
    image, mask = photo(9, 6), blocks(9, 6, side=2)
    flips = 0
    for flipped, cut in many(flip_vertical(), image, mask, 64):
        turned = np.array_equal(cut, mask[::-1])
        flips += turned
        step = -1 if turned else 1
        np.testing.assert_array_equal(flipped, image[::step])
        np.testing.assert_array_equal(cut, mask[::step])
    assert 16 <= flips <= 48  # of 64: four standard deviations about 32


# --- scale and crop ---


@pytest.mark.parametrize("largest", (1.0, 1.6, 3.0))
@pytest.mark.parametrize(
    "height, width",
    ((64, 96), (40, 48), (20, 30), (120, 20), (41, 47), (1, 1), (1, 200)),
)
def test_size_is_that_asked_for(height, width, largest):
    op = scale_and_crop(CROP, largest)
    for image, mask in many(op, photo(height, width), blocks(height, width), 4):
        assert image.shape == (*CROP, 3)
        assert mask.shape == CROP


def test_size_is_known_to_the_graph():
    pairs = tf.data.Dataset.from_tensors((photo(), blocks(), np.zeros(2, np.int32)))
    image, mask = pairs.map(scale_and_crop(CROP, 1.6)).element_spec
    assert image.shape == (*CROP, 3)
    assert mask.shape == CROP


def test_padding_is_mid_grey_and_void():
    image, mask = photo(10, 12), blocks(10, 12)
    padded, cut = applied(scale_and_crop(CROP, 1.0), image, mask)
    np.testing.assert_array_equal(padded[:10, :12], image)
    np.testing.assert_array_equal(cut[:10, :12], mask)
    outside = np.ones(CROP, bool)
    outside[:10, :12] = False
    assert set(padded[outside].ravel()) == {128}
    assert set(cut[outside]) == {VOID}


def test_padding_and_void_are_in_the_same_place():
    for image, mask in many(scale_and_crop(CROP, 3.0), encoded(blocks()), blocks()):
        grey = (image == 128).all(axis=2)
        np.testing.assert_array_equal(grey, mask == VOID)


def test_unscaled_crops_are_windows_of_the_image():
    height, width = 50, 60
    image = places(height, width)
    starts = set()
    for cut, _ in many(scale_and_crop(CROP, 1.0), image, blocks(height, width), 64):
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
    for _, cut in many(scale_and_crop((96, 96), 2.0), photo(200, 200), mask, 48):
        starts = np.flatnonzero((cut[48, 1:] == 1) & (cut[48, :-1] == 0))
        factors.append(np.diff(starts).mean() / 16)
    assert 0.45 < min(factors) < 0.65
    assert 1.6 < max(factors) < 2.2
    # By its logarithm: as many are shrunk as are enlarged.
    assert 0.8 < np.median(factors) < 1.25


# --- crops that favour rare classes ---


def rare(height=100, width=120):
    """Class 0 but for a pixel of class 3 at (30, 90), and void at the bottom."""
    mask = np.zeros((height, width), np.uint8)
    mask[30, 90] = 3
    mask[80:] = VOID
    return mask


@pytest.mark.parametrize(
    "draws, start",
    (
        ((0.0, 0.0), (0, 0)),  # class 0, its first pixel: pushed inside
        ((0.49, 1 - 2**-23), (60 - 1, 120 - 48)),  # its last one, (79, 119)
        ((0.5, 0.0), (30 - 20, 90 - 24)),  # class 3, its only one
        ((1 - 2**-23, 1 - 2**-23), (30 - 20, 90 - 24)),
    ),
)
def test_window_about_a_pixel_of_a_class_by_hand(draws, start):
    window, anywhere = np.array(CROP, np.int32), np.array((7, 8), np.int32)
    draws = np.array(draws, np.float32)
    placed = on_a_class(rare(), window, anywhere, draws)
    assert placed.dtype == np.int32
    assert placed.tolist() == list(start)
    empty = np.full_like(rare(), VOID)
    assert on_a_class(empty, window, anywhere, draws).tolist() == [7, 8]


@pytest.mark.parametrize("largest", (1.0, 1.6))
@pytest.mark.parametrize("border", (0, 6))
def test_each_class_is_as_likely_as_any(largest, border):
    """Chance alone shows the pixel in 0.3 of the crops at most."""
    image, mask = photo(100, 120), rare()
    often = {}
    for share in (0.0, 1.0):
        op = scale_and_crop(CROP, largest, share)
        if border:
            op = mirrored_crop(CROP, largest, border, share)
        middles = [ids[16:24, 20:28] for _, ids in many(op, image, mask, 128)]
        often[share] = np.mean([3 in ids for ids in middles])
    # Half of all and few of the others; shrinking loses the pixel now and then.
    assert often[0.0] < 0.1
    assert (0.3 if largest == 1 else 0.2) < often[1.0] < 0.7


@pytest.mark.parametrize("height, width", ((1, 1), (1, 200), (41, 47), (64, 96)))
def test_favoured_crops_take_any_size(height, width):
    for op in (scale_and_crop(CROP, 1.6, 1.0), mirrored_crop(CROP, 1.6, 6, 1)):
        for image, mask in many(op, photo(height, width), blocks(height, width), 4):
            assert image.shape == (*CROP, 3)
            assert mask.shape == CROP


def test_size_of_a_favoured_crop_is_known_to_the_graph():
    pairs = tf.data.Dataset.from_tensors((photo(), blocks(), np.zeros(2, np.int32)))
    image, mask = pairs.map(scale_and_crop(CROP, 1.6, 0.5)).element_spec
    assert image.shape == (*CROP, 3)
    assert mask.shape == CROP


# --- a border for valid convolutions ---


@pytest.mark.parametrize("length", (1, 2, 3, 7))
def test_mirrors_are_those_of_numpy(length):
    """As often as it takes: the border may be larger than the picture."""
    by_numpy = np.pad(np.arange(length), 20, mode="reflect")
    ours = crops.mirrored(tf.range(-20, length + 20), length)
    np.testing.assert_array_equal(ours, by_numpy)


def test_window_beyond_the_picture_by_hand():
    image = np.array([[[10.0], [20.0], [30.0]]], np.float32)
    mask = np.array([[1, 2, 3]], np.uint8)
    window = mirrored_window(image, mask, (0, -3), (2, 8))
    row = [20, 30, 20, 10, 20, 30, 20, 10]
    assert window[0][..., 0].numpy().tolist() == [row, row]
    ids = [VOID, VOID, VOID, 1, 2, 3, VOID, VOID]
    assert window[1].numpy().tolist() == [ids, [VOID] * 8]
    assert window[1].dtype == tf.uint8


@pytest.mark.parametrize("height, width", ((50, 60), (28, 36), (29, 200)))
def test_unscaled_mirrored_crops_are_windows_of_the_mirrored_image(height, width):
    border = 6
    image, mask = places(height, width), blocks(height, width)
    whole = mirrored(image, *[border] * 4)
    around = np.pad(mask, border, constant_values=VOID)
    rows, columns = set(), set()
    for cut, ids in many(mirrored_crop(CROP, 1.0, border), image, mask, 128):
        row, column = cut[border, border, :2].astype(int)
        rows.add(row)
        columns.add(column)
        window = np.s_[row : row + CROP[0], column : column + CROP[1]]
        np.testing.assert_array_equal(cut, whole[window])
        np.testing.assert_array_equal(ids, around[window])
    # The middle lies anywhere in the picture, but nowhere else.
    assert (min(rows), max(rows)) == (0, height - (CROP[0] - 2 * border))
    assert min(columns) <= 2 and max(columns) <= width - (CROP[1] - 2 * border)


@pytest.mark.parametrize("border", (0, 1, 6, 19))
@pytest.mark.parametrize("largest", (1.0, 1.6, 3.0))
def test_middle_of_a_mirrored_crop_is_picture(border, largest):
    op = chain(mirrored_crop(CROP, largest, border), cut_mask(border))
    for image, mask in many(op, photo(150, 150), blocks(150, 150), 32):
        assert image.shape == (*CROP, 3)
        assert mask.shape == (CROP[0] - 2 * border, CROP[1] - 2 * border)
        assert VOID not in mask


@pytest.mark.parametrize("height, width", ((1, 1), (10, 12), (1, 200), (5, 33)))
def test_small_pictures_are_mirrored_and_void_below_and_right(height, width):
    border = 6
    op = chain(mirrored_crop(CROP, 1.0, border), cut_mask(border))
    image, mask = photo(height, width), blocks(height, width)
    middle = (CROP[0] - 2 * border, CROP[1] - 2 * border)
    below, right = (max(0, m - n) for m, n in zip(middle, mask.shape, strict=True))
    whole = mirrored(image, border, border, below + border, right + border)
    padded = np.pad(mask, ((0, below), (0, right)), constant_values=VOID)
    for cut, ids in many(op, image, mask, 4):
        if width <= middle[1]:  # only one place
            np.testing.assert_array_equal(cut, whole)
            np.testing.assert_array_equal(ids, padded)
        assert (ids == VOID).sum() == below * middle[1] + right * (middle[0] - below)


def test_size_of_a_mirrored_crop_is_known_to_the_graph():
    op = chain(mirrored_crop(CROP, 1.6, 6), cut_mask(6))
    pairs = tf.data.Dataset.from_tensors((photo(), blocks(), np.zeros(2, np.int32)))
    image, mask = pairs.map(op).element_spec
    assert image.shape == (*CROP, 3)
    assert mask.shape == (28, 36)


@pytest.mark.parametrize(
    "size, border, step, least, expected",
    (
        ((30, 50), 6, 16, 28, (44, 76)),  # 30 + 12 <= 28 + 16, 50 + 12 <= 28 + 3 * 16
        ((32, 64), 6, 16, 28, (44, 76)),  # fits as it is
        ((33, 65), 6, 16, 28, (60, 92)),
        ((3, 2), 6, 16, 28, (28, 28)),  # the least; the border is larger than this
        ((1, 1), 92, 16, 188, (188, 188)),
        ((30, 50), 0, 32, 32, (32, 64)),  # no border, only sides of whole steps
        ((30, 50), 4, 1, 1, (38, 58)),
    ),
)
def test_whole_pictures_are_mirrored_to_a_size_that_fits(
    size, border, step, least, expected
):
    op = mirrored_to(border, step, least)
    image, mask = photo(*size).astype(np.uint8), blocks(*size)
    spare = [e - n - border for e, n in zip(expected, size, strict=True)]
    by_numpy = mirrored(image, border, border, *spare)
    beyond = [(0, n - border) for n in spare]
    padded = np.pad(mask, beyond, constant_values=VOID)
    pairs = tf.data.Dataset.from_tensors((image, mask))
    for given, ids in (op(image, mask), next(iter(pairs.map(op)))):
        assert given.dtype == tf.uint8 and given.shape[:2] == expected
        np.testing.assert_array_equal(given, by_numpy)
        np.testing.assert_array_equal(ids, padded)


# --- elastic ---


def shifted(row, column, image, mask):
    """`bend` by one shift everywhere."""
    shifts = np.full((3, 3, 2), (row, column), np.float32)
    return bend(image, mask, shifts)


@pytest.mark.parametrize("row, column", ((0, 0), (2, -3), (-9, 0), (0, 20), (-70, 31)))
@pytest.mark.parametrize("channels", (1, 3))
def test_equal_shifts_move_the_picture_and_mirror_the_rest(row, column, channels):
    image, mask = photo(10, 12, channels), blocks(10, 12, side=3)
    whole, ids = mirrored(image, *[80] * 4), mirrored(mask[..., None], *[80] * 4)
    window = np.s_[80 + row : 90 + row, 80 + column : 92 + column]
    bent, bent_mask = shifted(row, column, image, mask)
    np.testing.assert_allclose(bent, whole[window], atol=0.01)
    np.testing.assert_array_equal(bent_mask, ids[window][..., 0])


@pytest.mark.parametrize("shift, nearest", ((0.25, 0), (0.75, 1)))
def test_image_is_bilinear_and_mask_nearest(shift, nearest):
    image, mask = photo(10, 12), blocks(10, 12, side=1)
    bent, ids = shifted(shift, 0, image, mask)
    between = (1 - shift) * image[:-1] + shift * image[1:]
    np.testing.assert_allclose(bent[:-1], between, rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(ids[:-1], mask[nearest : nearest + 9])


def test_places_of_the_grid_move_by_their_own_shift():
    image = places(65, 97)
    shifts = np.random.RandomState(0).uniform(-9, 9, (3, 3, 2)).astype(np.float32)
    # Inwards at the edges, for outside is the mirror.
    shifts[0, :, 0], shifts[2, :, 0] = 3.5, -4.25
    shifts[:, 0, 1], shifts[:, 2, 1] = 7.5, -1.0
    bent, _ = bend(image, blocks(65, 97), shifts)
    moved = bent[::32, ::48, :2] - image[::32, ::48, :2]
    np.testing.assert_allclose(moved, shifts, atol=0.04)  # OpenCV 4 has 32nds


def test_between_the_places_shifts_are_bicubic():
    """A quarter down, three values a, b, c give 0.5 a + 0.5625 b - 0.0625 c."""
    image = places(65, 97)
    shifts = np.zeros((3, 3, 2), np.float32)
    shifts[..., 0] = np.array([8, 4, -16])[:, None]
    bent, _ = bend(image, blocks(65, 97), shifts)
    np.testing.assert_allclose(bent[16, :, 0] - 16, 4 + 2.25 + 1, atol=0.04)
    np.testing.assert_allclose(bent[:, :, 1], image[:, :, 1], atol=0.04)


def test_sigma_is_the_standard_deviation_in_pixels():
    size = (121, 161)
    image, mask = places(*size), blocks(*size)
    bent = [i[60, 80, :2] - (60, 80) for i, _ in many(elastic(10.0), image, mask, 200)]
    # 200 of each: a standard error of 0.5 of the deviation and of 0.7 of the mean.
    np.testing.assert_allclose(np.std(bent, axis=0), 10, atol=2)
    np.testing.assert_allclose(np.mean(bent, axis=0), 0, atol=2.8)


def test_elastic_of_no_strength_changes_nothing():
    image, mask = photo(), blocks()
    bent, ids = applied(elastic(0.0), image, mask)
    np.testing.assert_array_equal(bent, image)
    np.testing.assert_array_equal(ids, mask)


def test_elastic_leaves_no_void():
    for _, mask in many(elastic(30.0), photo(), blocks()):
        assert VOID not in mask


@pytest.mark.parametrize("height, width", ((1, 1), (1, 200), (2, 3), (41, 47)))
def test_elastic_takes_any_size(height, width):
    for image, mask in many(
        elastic(10.0), photo(height, width), blocks(height, width), 2
    ):
        assert image.shape == (height, width, 3)
        assert mask.shape == (height, width)


def test_elastic_tells_the_graph_what_it_knows():
    for size in (CROP, (None, None)):
        spec = (
            tf.TensorSpec((*size, 3), tf.float32),
            tf.TensorSpec(size, tf.uint8),
            tf.TensorSpec((2,), tf.int32),
        )
        graph = tf.function(elastic(10.0), input_signature=spec)
        image, mask = graph.get_concrete_function().outputs
        assert image.shape.as_list() == [*size, 3]
        assert mask.shape.as_list() == list(size)


# --- rotation ---


@pytest.mark.parametrize("turns", (-1, 0, 1, 2))
@pytest.mark.parametrize("side", (9, 10))
def test_quarter_turns_are_those_of_numpy(turns, side):
    image, mask = photo(side, side), blocks(side, side, side=1)
    turned, ids = bend(image, mask, np.zeros((3, 3, 2), np.float32), 90 * turns)
    np.testing.assert_allclose(turned, np.rot90(image, turns), atol=0.01)
    np.testing.assert_array_equal(ids, np.rot90(mask, turns))


def test_rotation_mirrors_what_comes_from_beyond():
    """A quarter turn of (5, 9) about (2, 4) sees 2 columns left and right of it only,
    and 2 rows above and below that are not there."""
    image, mask = photo(5, 9), blocks(5, 9, side=1)
    turned, ids = bend(image, mask, np.zeros((3, 3, 2), np.float32), 90)
    whole = np.pad(mask, ((2, 2), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(ids, np.rot90(whole[:, 2:7]))
    whole = mirrored(image, 2, 0, 2, 0)
    np.testing.assert_allclose(turned, np.rot90(whole[:, 2:7]), atol=0.01)


def test_angles_are_uniform_to_either_side():
    image, mask = places(41, 41), np.zeros((41, 41), np.uint8)
    angles = []
    for turned, _ in many(rotate(30.0), image, mask, 200):
        down, across = turned[20, 30, :2] - turned[20, 20, :2]
        angles.append(np.degrees(np.arctan2(down, across)))
        np.testing.assert_allclose(turned[20, 20], image[20, 20], atol=0.05)
    assert -30.5 < min(angles) < -27 and 27 < max(angles) < 30.5
    # 200 of a deviation of 60 / sqrt(12): a standard error of 1.2.
    assert abs(np.mean(angles)) < 5
    assert np.std(angles) == pytest.approx(60 / np.sqrt(12), abs=2)


def test_one_warp_turns_and_bends():
    """What `shifts` fetch from is the picture as it was."""
    image, mask = places(41, 41), blocks(41, 41)
    shifts = np.full((3, 3, 2), (1.5, -2.0), np.float32)
    turned, _ = bend(image, mask, shifts, 90)
    # At (20 + 5, 20 + 3): from (20 + 3, 20 - 5), shifted.
    np.testing.assert_allclose(turned[25, 23, :2], (24.5, 13.0), atol=0.04)


def test_no_rotation_leaves_elastic_as_it_was():
    for seed in ((0, 0), (3, 4)):
        shifts = tf.random.stateless_normal([3, 3, 2], seed, stddev=5.0).numpy()
        image, mask = applied(elastic(5.0), photo(), blocks(), seed)
        bent, ids = bend(photo(), blocks(), shifts)
        np.testing.assert_array_equal(image, bent)
        np.testing.assert_array_equal(mask, ids)


# --- sampling the loss ---


@pytest.mark.parametrize("share", (0.1, 0.5, 0.9))
def test_share_of_the_pixels_is_left(share):
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


def test_every_pixel_is_kept_as_often():
    mask = np.ones((6, 7), np.uint8)
    masks = [ids for _, ids in many(sample_loss(0.5), photo(6, 7), mask, 400)]
    often = np.mean(np.array(masks) == 1, axis=0)
    assert (abs(often - 0.5) < 4 * 0.5 / np.sqrt(400)).all()


def test_sampling_is_of_the_seed_and_the_same_in_a_pipeline():
    op = sample_loss(0.5)
    triple = photo(), blocks(), (3, 4)
    first = applied(op, *triple)[1]
    np.testing.assert_array_equal(applied(op, *triple)[1], first)
    np.testing.assert_array_equal(applied_in_pipeline(op, *triple)[1], first)
    assert not np.array_equal(applied(op, photo(), blocks(), (3, 5))[1], first)
    assert not np.array_equal(applied(op, photo(), blocks(), (2, 4))[1], first)


def test_whole_share_changes_nothing():
    np.testing.assert_array_equal(
        applied(sample_loss(1.0), photo(), blocks())[1], blocks()
    )


@pytest.mark.parametrize("share", (0.0, -0.1, 1.01, float("nan")))
def test_share_is_over_0_and_at_most_1(share):
    with pytest.raises(ValueError, match="share"):
        sample_loss(share)


# --- colour ---


@pytest.mark.parametrize("channels", (1, 3))
@pytest.mark.parametrize("strength", (0.2, 1.0))
def test_color_keeps_the_range_and_the_mask(channels, strength):
    image, mask = photo(channels=channels), blocks()
    for changed, cut in many(color(strength), image, mask, 16):
        assert 0 <= changed.min() and changed.max() <= 255
        assert not np.array_equal(changed, image)
        np.testing.assert_array_equal(cut, mask)


def test_color_of_no_strength_changes_nothing():
    image, mask = photo(), blocks()
    for changed, _ in many(color(0.0), image, mask, 4):
        np.testing.assert_allclose(changed, image, atol=1e-3)


def test_color_leaves_grey_pictures_grey():
    for changed, _ in many(color(0.5), encoded(blocks()), blocks(), 8):
        np.testing.assert_allclose(changed, changed[..., :1].repeat(3, 2), atol=1e-3)


# --- blur ---


@pytest.mark.parametrize("channels", (1, 3))
def test_blur_of_a_point_is_a_gaussian(channels):
    image = np.zeros((21, 25, channels), np.float32)
    image[10, 12] = 200
    soft = blurred(image, 1.5)
    assert soft.shape == image.shape and soft.dtype == np.float32
    rows, columns = np.mgrid[-10:11, -12:13]
    bell = np.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    by_hand = 200 * bell / bell.sum()
    for channel in range(channels):
        np.testing.assert_allclose(soft[..., channel], by_hand, atol=0.01)


def test_half_of_the_images_are_blurred_by_up_to_sigma():
    image = np.zeros((41, 41, 1), np.float32)
    image[20, 20] = 200
    mask = blocks(41, 41)
    squares = (np.arange(41) - 20) ** 2
    sigmas = []
    for soft, ids in many(blur(3.0), image, mask, 128):
        np.testing.assert_array_equal(ids, mask)
        if not np.array_equal(soft, image):
            down = soft[..., 0].sum(1)
            sigmas.append(np.sqrt((squares * down).sum() / down.sum()))
    assert 41 <= len(sigmas) <= 87  # of 128: four standard deviations about 64
    # Truncated, and below about 0.2 nothing moves.
    assert min(sigmas) < 0.7 and 2.5 < max(sigmas) < 3.0


@pytest.mark.parametrize("height, width", ((1, 1), (1, 50), (3, 2)))
def test_blur_takes_any_size(height, width):
    for image, _ in many(blur(4.0), photo(height, width), blocks(height, width), 8):
        assert image.shape == (height, width, 3)
        assert np.isfinite(image).all()


# --- noise ---


def test_deviations_of_noise_are_uniform_up_to_the_share():
    mask = blocks(60, 80)
    image = np.full((60, 80, 3), 128, np.float32)
    found = []
    for noisy, ids in many(noise(0.1), image, mask, 64):
        np.testing.assert_array_equal(ids, mask)
        found.append(noisy.std())
        assert abs(noisy.mean() - 128) < 4 * 25.5 / np.sqrt(noisy.size)
        channels = np.corrcoef(noisy.reshape(-1, 3).T)
        assert abs(channels - np.eye(3)).max() < 0.1  # each its own
    assert 24 < max(found) < 26 and min(found) < 2
    assert np.mean(found) == pytest.approx(12.75, abs=4)


def test_noise_keeps_the_range():
    for noisy, _ in many(noise(1.0), photo(), blocks(), 8):
        assert 0 <= noisy.min() and noisy.max() <= 255


# --- cutout ---


@pytest.mark.parametrize("share", (0.1, 0.5, 1.0))
@pytest.mark.parametrize("channels", (1, 3))
def test_cutout_is_one_grey_and_void_rectangle(share, channels):
    image, mask = photo(60, 90, channels), blocks(60, 90)
    areas = []
    for hidden, ids in many(cutout(share), image, mask, 64):
        gone = ids == VOID
        np.testing.assert_array_equal(hidden[~gone], image[~gone])
        np.testing.assert_array_equal(ids[~gone], mask[~gone])
        assert (hidden[gone] == 128).all()
        rows, columns = gone.any(1).sum(), gone.any(0).sum()
        assert gone.sum() == rows * columns  # of one rectangle, without holes
        areas.append(gone.sum() / gone.size)
    assert max(areas) <= share
    # Of a uniform share some is lost beyond the edges.
    assert 0.25 * share < np.mean(areas) < 0.55 * share


def test_cutout_hides_every_place():
    mask = np.zeros((8, 9), np.uint8)
    masks = [ids for _, ids in many(cutout(0.5), photo(8, 9), mask, 300)]
    often = np.mean(np.array(masks) == VOID, axis=0)
    assert 0.01 < often.min() and often.max() < 0.3


# --- ops of no strength ---


@pytest.mark.parametrize(
    "op",
    (rotate(0), noise(0), cutout(0), blur(0.001)),
    ids=("rotate", "noise", "cutout", "blur"),
)
def test_no_strength_changes_nothing(op):
    image, mask = photo(), blocks()
    for same, ids in many(op, image, mask, 8):
        np.testing.assert_allclose(same, image, atol=1e-3)
        np.testing.assert_array_equal(ids, mask)


# --- chain ---


def test_chain_gives_each_op_a_seed_of_its_own():
    """Two flips of one seed would always undo each other."""
    image, mask = photo(4, 6), blocks(4, 6, side=1)
    pairs = many(chain(flip(), flip()), image, mask)
    unturned = [np.array_equal(cut, mask) for _, cut in pairs]
    assert 0 < sum(unturned) < len(unturned)

import keras
import numpy as np
import pytest
from keras import layers, ops

from kseg.models.layers.bilinear import bilinear_kernel
from kseg.models.layers.heads import prepare_input
from kseg.models.layers.norm import BatchNorm, with_batch_norm
from kseg.models.layers.sizes import CropLike, PadToMultiple, ValidInput, set_padding
from kseg.models.layers.upsampling import (
    Bilinear,
    Enlarge,
    MaxUnpool,
    interleave,
    transposed,
    upsample,
)

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow itself"
)


def noise(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype(np.float32)


def traced(layer, *inputs):
    """`layer` of `inputs` in a graph of dynamic heights and widths."""
    import tensorflow as tf

    def free(x):
        return tf.TensorSpec((1, None, None, x.shape[-1]), tf.float32)

    call = layer if len(inputs) == 1 else lambda *xs: layer(list(xs))
    function = tf.function(call, input_signature=[free(x) for x in inputs])
    return function(*inputs).numpy()


def both_ways(layer, *inputs):
    """`layer` of `inputs`, with static and with dynamic sizes."""
    given = inputs[0] if len(inputs) == 1 else list(inputs)
    yield ops.convert_to_numpy(layer(given))
    if keras.backend.backend() == "tensorflow":
        yield traced(layer, *inputs)


# --- sizes ---


@pytest.mark.parametrize(
    "size, padded", (((5, 7), (8, 8)), ((8, 3), (8, 4)), ((1, 9), (4, 12)))
)
def test_padding_is_below_and_to_the_right(size, padded):
    image = 1 + np.abs(noise(1, *size, 2))
    for y in both_ways(PadToMultiple(4), image):
        assert y.shape == (1, *padded, 2)
        np.testing.assert_array_equal(y[:, : size[0], : size[1]], image)
        assert np.count_nonzero(y) == image.size


def test_the_edge_is_repeated():
    """Rows of 1, 2 and columns of 10, 20, 30 to 4x4: the last of each once more."""
    image = np.array([[[11], [21], [31]], [[12], [22], [32]]], np.float32)[None]
    for y in both_ways(PadToMultiple(4, "edge"), image):
        first, second = [11, 21, 31, 31], [12, 22, 32, 32]
        assert y[0, :, :, 0].tolist() == [first, second, second, second]


def test_the_mode_of_padding_is_saved_and_old_files_have_zeros():
    config = PadToMultiple(8, "edge").get_config()
    assert PadToMultiple.from_config(config).mode == "edge"
    old = PadToMultiple(8).get_config()
    assert "mode" not in old and PadToMultiple.from_config(old).mode == "zeros"
    with pytest.raises(ValueError, match="`mode` must be one of .*, got 'wrap'"):
        PadToMultiple(8, "wrap")


def test_the_padding_of_a_network_can_be_changed():
    image = keras.Input((None, None, 1))
    model = keras.Model(image, PadToMultiple(4)(image))
    set_padding(model, "edge")
    assert np.asarray(model(np.ones((1, 3, 3, 1), np.float32))).min() == 1


def test_multiples_are_not_padded():
    image = noise(1, 8, 12, 3)
    for y in both_ways(PadToMultiple(4), image):
        np.testing.assert_array_equal(y, image)


@pytest.mark.parametrize("size", ((4, 6), (3, 8), (1, 1)))
def test_crop_has_the_size_of_the_image(size):
    x = noise(1, 4, 8, 5)
    image = noise(1, *size, 3)
    for y in both_ways(CropLike(), x, image):
        np.testing.assert_array_equal(y, x[:, : size[0], : size[1]])


def test_padding_and_cropping_is_the_identity():
    image = noise(1, 13, 6, 3)

    def pad_and_crop(x):
        return CropLike()([PadToMultiple(8)(x), x])

    for y in both_ways(pad_and_crop, image):
        np.testing.assert_array_equal(y, image)


@pytest.mark.parametrize(
    "layer, expected",
    (
        (PadToMultiple(8), (None, 16, None, 3)),
        (Enlarge(2), (None, 18, None, 3)),
    ),
)
def test_computed_output_shapes(layer, expected):
    assert layer.compute_output_shape((None, 9, None, 3)) == expected


def test_output_shape_of_the_crop_is_that_of_the_image():
    shapes = [(None, 16, None, 5), (None, 9, None, 3)]
    assert CropLike().compute_output_shape(shapes) == (None, 9, None, 5)


@pytest.mark.parametrize(
    "layer",
    (
        PadToMultiple(8),
        Enlarge(3),
        Enlarge(2, "nearest"),
        CropLike(),
        MaxUnpool(),
        ValidInput(188, 16, 92),
    ),
)
def test_config_is_restored(layer):
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()


# --- upsampling ---


def test_upsampling_by_hand():
    # New pixels are at -1/4, 1/4, 3/4, 5/4 of the old ones at 0 and 1.
    row = np.array([0, 4], np.float32).reshape(1, 1, 2, 1)
    for y in both_ways(Enlarge(2), row):
        assert y[0, :, :, 0].tolist() == [[0, 1, 3, 4], [0, 1, 3, 4]]


@pytest.mark.parametrize("factor", (2, 3, 4, 8))
def test_upsampling_is_bilinear_resizing(factor):
    x = noise(1, 5, 7, 3)
    size = (5 * factor, 7 * factor)
    expected = ops.image.resize(x, size, interpolation="bilinear")
    for y in both_ways(Enlarge(factor), x):
        np.testing.assert_allclose(y, ops.convert_to_numpy(expected), atol=1e-6)


@pytest.mark.parametrize("factor", (2, 4, 8))
def test_transposed_convolution_starts_as_bilinear_resizing(factor):
    x = noise(1, 6, 8, 3)
    image = keras.Input((None, None, 3))
    network = keras.Model(image, transposed(image, factor, name="up"))
    y = ops.convert_to_numpy(network(x))
    size = (6 * factor, 8 * factor)
    assert y.shape == (1, *size, 3)
    resized = ops.image.resize(x, size, interpolation="bilinear")
    inside = (0, slice(factor, -factor), slice(factor, -factor))
    expected = ops.convert_to_numpy(resized)
    np.testing.assert_allclose(y[inside], expected[inside], atol=1e-5)


def test_nearest_upsampling_repeats():
    x = noise(1, 3, 5, 2)
    expected = x.repeat(3, axis=1).repeat(3, axis=2)
    for y in both_ways(Enlarge(3, "nearest"), x):
        np.testing.assert_array_equal(y, expected)


def test_transposed_convolution_follows_its_formula():
    """Y[m, n] = sum of X[i, j] K[m - i s, n - j s] over i and j, then a crop."""
    stride, size = 2, 4
    layer = layers.Conv2DTranspose(1, size, stride, padding="valid", use_bias=False)
    x, kernel = noise(1, 3, 4, 1), noise(size, size, 1, 1, seed=1)
    layer.build(x.shape)
    layer.set_weights([kernel])
    rows, columns = ((side - 1) * stride + size for side in x.shape[1:3])
    expected = np.zeros((rows, columns))
    for m in range(rows):
        for n in range(columns):
            for i in range(x.shape[1]):
                for j in range(x.shape[2]):
                    u, v = m - i * stride, n - j * stride
                    if 0 <= u < size and 0 <= v < size:
                        expected[m, n] += x[0, i, j, 0] * kernel[u, v, 0, 0]
    y = ops.convert_to_numpy(layer(x))[0, ..., 0]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    # With same padding, the result is cropped so that the centres agree.
    same = layers.Conv2DTranspose(1, size, stride, padding="same", use_bias=False)
    same.build(x.shape)
    same.set_weights([kernel])
    cut = ops.convert_to_numpy(same(x))[0, ..., 0]
    np.testing.assert_allclose(cut, expected[1:-1, 1:-1], atol=1e-5)


def upsampled_ones(how, **options):
    """An image of ones, upsampled by 2 with all weights set to one."""
    image = keras.Input((None, None, 1))
    if how == "transposed":
        network = keras.Model(image, transposed(image, 2, name="up", **options))
    else:
        network = keras.Model(image, upsample(image, 2, how, name="up"))
    network.set_weights([np.ones_like(weight) for weight in network.get_weights()])
    y = ops.convert_to_numpy(network(np.ones((1, 8, 8, 1), np.float32)))
    return y[0, 4:-4, 4:-4, 0]


def test_kernel_that_is_not_a_multiple_of_the_stride_gives_a_checkerboard():
    with pytest.warns(UserWarning, match="size 3 is not a multiple of the stride 2"):
        y = upsampled_ones("transposed", kernel=3)
    # A pixel depends on one, two or four weights, by the parity of row and column.
    assert set(y.ravel()) == {1, 2, 4}
    assert y[::2, ::2].std() == y[1::2, 1::2].std() == 0
    assert y[0, 0] != y[0, 1] != y[1, 1]


@pytest.mark.parametrize("how", ("transposed", "resize-conv", "bilinear", "nearest"))
def test_other_upsamplings_give_no_checkerboard(how):
    assert np.ptp(upsampled_ones(how)) == 0


@pytest.mark.parametrize("how", ("transposed", "resize-conv", "bilinear"))
@pytest.mark.parametrize("factor", (2, 8))
def test_learned_upsampling_starts_as_bilinear(how, factor):
    x = noise(1, 6, 8, 3)
    image = keras.Input((None, None, 3))
    network = keras.Model(image, upsample(image, factor, how, name="up"))
    y = ops.convert_to_numpy(network(x))
    size = (6 * factor, 8 * factor)
    expected = ops.convert_to_numpy(ops.image.resize(x, size, interpolation="bilinear"))
    inside = (0, slice(factor, -factor), slice(factor, -factor))
    np.testing.assert_allclose(y[inside], expected[inside], atol=1e-5)


# --- unpooling ---


def test_unpooling_by_hand():
    before = np.array(
        [
            [1, 5, 2, 2],
            [3, 4, 2, 2],
            [0, 0, 9, 8],
            [0, 7, 6, 9],
        ],
        np.float32,
    ).reshape(1, 4, 4, 1)
    after = np.array([[5, 2], [7, 9]], np.float32).reshape(1, 2, 2, 1)
    x = np.array([[10, 20], [30, 40]], np.float32).reshape(1, 2, 2, 1)
    expected = [
        [0, 10, 20, 0],  # the first of four equal values
        [0, 0, 0, 0],
        [0, 0, 40, 0],  # the first 9
        [0, 30, 0, 0],
    ]
    for y in both_ways(MaxUnpool(), x, before, after):
        assert y[0, ..., 0].tolist() == expected


def test_unpooled_maxima_are_at_their_positions():
    before = noise(2, 6, 8, 3)
    after = ops.convert_to_numpy(layers.MaxPooling2D(2)(before))
    y = ops.convert_to_numpy(MaxUnpool()([after, before, after]))
    kept = y != 0
    np.testing.assert_array_equal(y[kept], before[kept])
    assert kept.sum() == after.size
    again = layers.MaxPooling2D(2)(np.where(kept, y, -np.inf))
    np.testing.assert_array_equal(ops.convert_to_numpy(again), after)


def test_each_channel_has_its_own_positions():
    before = np.zeros((1, 2, 2, 2), np.float32)
    before[0, 0, 1, 0] = before[0, 1, 0, 1] = 1
    one = np.ones((1, 1, 1, 2), np.float32)
    y = ops.convert_to_numpy(MaxUnpool()([3 * one, before, one]))[0]
    assert y[..., 0].tolist() == [[0, 3], [0, 0]]
    assert y[..., 1].tolist() == [[0, 0], [3, 0]]


def test_interleave_by_hand():
    a, b, c, d = (np.full((1, 1, 2, 1), value, np.float32) for value in range(4))
    y = ops.convert_to_numpy(interleave(a, b, c, d))
    assert y[0, ..., 0].tolist() == [[0, 1, 0, 1], [2, 3, 2, 3]]


# --- networks of valid convolutions ---


@pytest.mark.parametrize("side", (188, 204, 572))
def test_accepted_sides(side):
    x = np.zeros((1, side, 188, 1), np.float32)
    assert ValidInput(188, 16, 92)(x).shape == x.shape


@pytest.mark.parametrize(
    "side, nearest", ((187, 188), (189, 188), (571, 572), (1, 188))
)
def test_error_for_other_sides_names_the_nearest(side, nearest):
    with pytest.raises(ValueError, match=f"got {side}; the nearest is {nearest}"):
        ValidInput(188, 16, 92)(np.zeros((1, 188, side, 1), np.float32))


def test_initializer_is_restored():
    copy = keras.initializers.deserialize(keras.initializers.serialize(Bilinear(4)))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(copy((8, 8, 3, 3), "float32")), bilinear_kernel(4, 8, 3)
    )


def test_padding_is_mid_grey():
    image = keras.Input((None, None, 1))
    network = keras.Model(image, prepare_input(image, 4))
    y = ops.convert_to_numpy(network(np.full((1, 2, 3, 1), 255, np.float32)))
    np.testing.assert_allclose(y[0, :2, :3], 1)
    assert y.shape == (1, 4, 4, 1)
    assert y.sum() == pytest.approx(6)  # the padding is zero, which is 127.5


# --- batch norm ---

OPTIONS = (
    {},
    {"momentum": 0.9, "epsilon": 0.1},
    {"scale": False},
    {"center": False},
    {"scale": False, "center": False},
)
each_option = pytest.mark.parametrize("options", OPTIONS, ids=str)


def batch_norms(options, width=3):
    """Keras's layer and ours with the same weights, all different from the defaults."""
    pair = layers.BatchNormalization(**options), BatchNorm(**options)
    for layer in pair:
        layer.build((None, None, None, width))
        for seed, weight in enumerate(layer.weights):
            weight.assign(0.5 + np.abs(noise(width, seed=seed)))
    return pair


def assert_same_weights(theirs, ours):
    for one, other in zip(theirs.weights, ours.weights, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(other), ops.convert_to_numpy(one), atol=1e-5
        )


@each_option
@pytest.mark.parametrize("shape", ((2, 5, 7, 3), (1, 1, 2, 3), (8, 1, 1, 3)), ids=str)
def test_batch_norm_trains_like_keras(options, shape):
    theirs, ours = batch_norms(options)
    for seed in range(3):
        x = 2 * noise(*shape, seed=seed) + 3
        expected = ops.convert_to_numpy(theirs(x, training=True))
        y = ops.convert_to_numpy(ours(x, training=True))
        np.testing.assert_allclose(y, expected, atol=1e-5)
    assert_same_weights(theirs, ours)


@on_tensorflow
@each_option
def test_batch_norm_has_the_gradients_of_keras(options):
    import tensorflow as tf

    x, slope = tf.constant(2 * noise(2, 5, 7, 3) + 3), noise(2, 5, 7, 3, seed=9)
    gradients = []
    for layer in batch_norms(options):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * slope)
        sources = [x, *(weight.value for weight in layer.trainable_weights)]
        gradients.append(tape.gradient(loss, sources))
    for expected, gradient in zip(*gradients, strict=True):
        np.testing.assert_allclose(gradient, expected, atol=1e-5)


@each_option
def test_batch_norm_infers_like_keras(options):
    theirs, ours = batch_norms(options)
    x = noise(2, 5, 7, 3)
    expected = ops.convert_to_numpy(theirs(x, training=False))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ours(x, training=False)), expected
    )


def test_frozen_batch_norm_does_not_change():
    theirs, ours = batch_norms({})
    x = noise(2, 5, 7, 3)
    expected = ops.convert_to_numpy(theirs(x, training=False))
    ours.trainable = False
    y = ops.convert_to_numpy(ours(x, training=True))
    np.testing.assert_array_equal(y, expected)
    assert_same_weights(theirs, ours)


@on_tensorflow
def test_batch_norm_in_a_graph_of_dynamic_size():
    theirs, ours = batch_norms({})
    x = noise(1, 6, 9, 3)
    expected = ops.convert_to_numpy(theirs(x, training=True))
    y = traced(lambda x: ours(x, training=True), x)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    assert_same_weights(theirs, ours)


def small_network(norm=layers.BatchNormalization):
    image = keras.Input((None, None, 3), name="image")
    x = norm(name="first")(layers.Conv2D(4, 3, name="one")(image))
    return keras.Model(image, norm(name="second")(x), name="small")


def test_a_network_that_has_its_layers_already_is_not_copied():
    network = small_network(BatchNorm)
    assert with_batch_norm(network, momentum=0.9) is network
    assert [network.get_layer(x).momentum for x in ("first", "second")] == [0.9, 0.9]
    renamed = with_batch_norm(network, 0.9, encoder={"first"})
    assert [x.name for x in renamed.layers[1:]] == ["one", "encoder_first", "second"]


def test_network_with_batch_norm_is_the_same_network():
    network = small_network()
    copy = with_batch_norm(network, momentum=0.9)
    x = noise(1, 5, 6, 3)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(copy(x)), ops.convert_to_numpy(network(x))
    )
    assert copy.name == network.name
    names = [layer.name for layer in network.layers]
    assert [layer.name for layer in copy.layers] == names
    norms = [x for x in copy.layers if isinstance(x, layers.BatchNormalization)]
    assert len(norms) == 2
    assert all(isinstance(norm, BatchNorm) for norm in norms)
    assert {norm.momentum for norm in norms} == {0.9}

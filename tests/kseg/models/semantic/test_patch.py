"""The patch classifier with Dense layers and its convolutional equivalent."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kseg.models import build_model, geometry
from kseg.models.semantic.patch import convolutionalized, patch_classifier


def random_image(height, width, channels=3):
    random = np.random.RandomState(0)
    return random.randint(0, 256, (height, width, channels)).astype("float32")


def as_network(classifier):
    image = keras.Input((None, None, classifier.input_shape[-1]))
    return keras.Model(image, convolutionalized(classifier, image))


def test_a_dense_layer_becomes_a_convolution_by_hand():
    """2x2 pixels of one channel, flattened row by row, with weights 1, 2, 3, 4."""
    image = keras.Input((2, 2, 1))
    x = layers.Flatten()(image)
    classifier = keras.Model(image, layers.Dense(1, name="score")(x))
    classifier.get_layer("score").set_weights(
        [np.array([[1.0], [2], [3], [4]]), np.array([10.0])]
    )
    rows = np.arange(6, dtype="float32").reshape(1, 2, 3, 1)  # 0 1 2 / 3 4 5
    scores = ops.convert_to_numpy(as_network(classifier)(rows))
    assert scores.shape == (1, 1, 2, 1)
    # 0*1 + 1*2 + 3*3 + 4*4 + 10 and 1*1 + 2*2 + 4*3 + 5*4 + 10
    assert scores.ravel().tolist() == [37, 47]


def test_a_second_dense_layer_is_one_by_one():
    classifier = patch_classifier(5, width=4)
    network = as_network(classifier)
    assert network.get_layer("fc1").kernel_size == (4, 4)
    assert network.get_layer("score").kernel_size == (1, 1)
    assert network.count_params() == classifier.count_params()


def test_squares_get_the_scores_of_the_patch_around_them():
    model = build_model("patch", 3, width=4)
    shape = geometry(model)
    assert (shape.min_input, shape.input_step, shape.valid_border) == (46, 8, 19)
    logits = ops.convert_to_numpy(model(random_image(54, 62)[None], training=False))[0]
    assert logits.shape == (16, 24, 3)
    squares = logits.reshape(2, 8, 3, 8, 3)
    assert np.array_equal(
        squares, np.broadcast_to(squares[:, :1, :, :1], squares.shape)
    )


@pytest.mark.parametrize("upsampling", ("bilinear", "transposed", "resize-conv"))
def test_interpolating_upsamplings_get_one_more_square(upsampling):
    """So that the output of a tile does not depend on its borders."""
    model = build_model("patch", 3, width=4, upsampling=upsampling)
    shape = geometry(model)
    assert (shape.min_input, shape.input_step, shape.valid_border) == (62, 8, 27)
    image = random_image(86, 94)[None]
    whole = ops.convert_to_numpy(model(image, training=False))
    part = ops.convert_to_numpy(model(image[:, 8:78, 16:94], training=False))
    assert whole.shape[1:3] == (32, 40)
    np.testing.assert_allclose(whole[:, 8:24, 16:40], part, atol=1e-5)

"""Attention, positions and queries, with values worked out by hand."""

from math import cos, e, pi, sin

import keras
import numpy as np
import pytest
from keras import ops

from kseg.models.layers.attention import Attend, LearnedQueries, SinePositions


def values(x):
    return ops.convert_to_numpy(x)


def test_a_query_reads_the_values_of_the_keys_that_it_resembles():
    query = np.float32([[[1], [0]]])
    keys, read = np.float32([[[1], [0]]]), np.float32([[[10], [20]]])
    found = values(Attend(1)([query, keys, read]))
    # Softmax of the products 1 and 0; of 0 and 0 for the second query.
    first = (10 * e + 20) / (e + 1)
    np.testing.assert_allclose(found, [[[first], [15]]], rtol=1e-6)


def test_heads_are_those_of_keras():
    keras.utils.set_random_seed(0)
    theirs = keras.layers.MultiHeadAttention(num_heads=2, key_dim=3, use_bias=False)
    random = np.random.RandomState(0)
    query, keys = random.normal(size=(2, 5, 6)), random.normal(size=(2, 4, 6))
    expected = values(theirs(query, keys, keys))
    matrices = [np.reshape(x, (6, 6)) for x in theirs.get_weights()]
    q, k, v = (
        (x @ m).astype("float32")
        for x, m in zip((query, keys, keys), matrices, strict=False)
    )
    found = values(Attend(2)([q, k, v])) @ matrices[3]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_dropout_is_of_the_weights_and_only_in_training():
    layer = Attend(1, dropout=0.999)
    x = np.ones((1, 8, 4), np.float32)
    assert values(layer([x, x, x], training=False)).min() == pytest.approx(1)
    assert values(layer([x, x, x], training=True)).min() == 0


def test_positions_are_waves_of_the_row_and_of_the_column():
    found = values(SinePositions()(np.zeros((1, 2, 1, 8), np.float32)))
    # Rows 1 and 2 of 2 are the angles pi and 2 pi, column 1 of 1 is 2 pi; the second
    # wave is 10000 ** (2 / 4) = 100 times as long.
    whole = [0, 1, sin(pi / 50), cos(pi / 50)]
    half = [0, -1, sin(pi / 100), cos(pi / 100)]
    np.testing.assert_allclose(found, [[half + whole, whole + whole]], atol=1e-5)


def test_positions_do_not_depend_on_the_image():
    layer = SinePositions()
    both = values(layer(np.random.RandomState(0).normal(size=(2, 3, 4, 8))))
    np.testing.assert_array_equal(both[0], both[1])
    assert both.shape == (2, 12, 8)
    assert len(np.unique(both[0].round(4), axis=0)) == 12  # each cell has its own


def test_queries_are_equal_for_each_image():
    found = values(LearnedQueries(3)(np.zeros((2, 7, 4), np.float32)))
    assert found.shape == (2, 3, 4) and found.any()
    np.testing.assert_array_equal(found[0], found[1])


def test_symbolic_shapes_are_free():
    image = keras.Input((None, None, 8))
    tokens = keras.layers.Reshape((-1, 8))(image)
    assert SinePositions()(image).shape == (None, None, 8)
    assert LearnedQueries(3)(tokens).shape == (None, 3, 8)
    assert Attend(2)([tokens, tokens, tokens]).shape == (None, None, 8)

"""Operations of TensorFlow against Keras's own, and by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kseg.evaluation.metrics.confusion import confusion_matrix
from kseg.evaluation.metrics.keras_metrics import MeanIoU
from kseg.models.layers.fused import (
    adam_step,
    count_cells,
    cross_entropy,
    doubled,
    normalize_batch,
    on_processor,
    resize,
)
from kseg.training.optimizer import AdamW


def test_a_step_of_adam_by_hand():
    """m = 0.1 g, v = 0.001 g^2, both divided by 1 - beta: a step of the rate."""
    variable, m, v = (tf.Variable(x) for x in ([3.0], [0.0], [0.0]))
    adam_step(variable, m, v, tf.constant([2.0]), 0.5, 1, 0.9, 0.999, 1e-7)
    assert m.numpy() == pytest.approx(0.2, abs=1e-6)
    assert v.numpy() == pytest.approx(0.004, abs=1e-6)
    assert variable.numpy() == pytest.approx(2.5, abs=1e-4)


class Plain(AdamW):
    """The update of Keras."""

    def update_step(self, gradient, variable, learning_rate):
        keras.optimizers.AdamW.update_step(self, gradient, variable, learning_rate)


@pytest.mark.parametrize("options", [{}, {"use_ema": True, "encoder_rate": 0.3}])
def test_steps_are_those_of_keras(options):
    results = []
    for cls in (AdamW, Plain):
        random = np.random.default_rng(0)
        start = random.normal(size=(3, 4)).astype(np.float32)
        weight = keras.Variable(start, name="encoder_w")
        optimizer = cls(0.01, weight_decay=0.1, global_clipnorm=1.0, **options)
        optimizer.build([weight])
        step = tf.function(lambda g, o=optimizer: o.apply([g]))
        for _ in range(5):
            step(tf.constant(random.normal(size=(3, 4)), tf.float32))
        results.append([ops.convert_to_numpy(x) for x in optimizer.variables])
        results[-1].append(ops.convert_to_numpy(weight))
        assert np.abs(results[-1][-1] - start).max() > 0.01
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_step_is_one_operation():
    if not on_processor():
        pytest.skip("on GPUs the update is that of Keras, which XLA compiles")
    weight, optimizer = keras.Variable(np.ones((2, 2), np.float32)), AdamW(0.1)
    optimizer.build([weight])
    step = tf.function(lambda: optimizer.apply([tf.ones((2, 2))]))
    kinds = [op.type for op in step.get_concrete_function().graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 1 and "Sqrt" not in kinds


def test_cells_are_those_of_the_confusion_matrix():
    random = np.random.default_rng(0)
    mask = random.integers(0, 5, (2, 6, 7)).astype(np.uint8)
    mask[0, :2] = 255
    logits = random.integers(0, 3, (2, 6, 7, 5)).astype(np.float32)  # many are equal
    found = count_cells(mask, tf.constant(logits), 5, 255)
    expected = confusion_matrix(mask, logits.argmax(axis=-1), 5)
    assert np.array_equal(found, expected)
    metric = MeanIoU(5)
    metric.update_state(mask, logits)
    assert np.array_equal(ops.convert_to_numpy(metric.low), expected)


def test_void_alone_counts_nothing():
    mask = np.full((1, 2, 2), 255, np.uint8)
    assert not np.any(count_cells(mask, tf.zeros((1, 2, 2, 3)), 3, 255))


def test_cross_entropy_by_hand():
    """Of two classes, the odds of the first are e^1 to 1; those of 1e4 are all."""
    logits = tf.constant([[1.0, 0.0], [1e4, 0.0], [0.0, 1e4]])
    found = cross_entropy(tf.constant([0, 0, 0]), logits).numpy()
    assert found == pytest.approx([np.log1p(np.exp(-1)), 0, 1e4])


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_cross_entropy_is_that_of_tensorflow(scale):
    random = np.random.default_rng(0)
    logits = tf.constant(random.normal(0, scale, (2, 5, 6, 7)), tf.float32)
    label = tf.constant(random.integers(0, 7, (2, 5, 6)), tf.int32)
    found = []
    theirs = tf.nn.sparse_softmax_cross_entropy_with_logits
    for function in (cross_entropy, theirs):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            terms = function(label, logits)
            total = tf.reduce_sum(terms**2)
        found.append((terms, tape.gradient(total, logits)))
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_that_is_no_class_is_refused(label):
    compiled = tf.function(cross_entropy)
    for function in (cross_entropy, compiled):
        with pytest.raises(tf.errors.InvalidArgumentError):
            function(tf.constant([label]), tf.zeros((1, 3)))


def test_cross_entropy_of_what_is_certain_is_not_negative():
    random = np.random.default_rng(0)
    logits = tf.constant(random.uniform(15, 40, (500, 11)) * np.eye(11)[0], tf.float32)
    assert np.min(cross_entropy(tf.zeros(500, tf.int32), logits)) >= 0


def test_cross_entropy_of_nan_is_nan():
    logits = tf.constant([[np.nan, 0.0], [1.0, np.nan]])
    assert np.isnan(cross_entropy(tf.constant([0, 0]), logits)).all()


@pytest.mark.parametrize(("channels", "dtype"), [(24, "float32"), (32, "bfloat16")])
def test_batch_norm_of_few_channels_is_computed_in_float32(channels, dtype):
    """The result has the type of the input, up to rounding that of float32."""
    random = np.random.default_rng(0)
    x = tf.cast(random.normal(2, 3, (4, 6, 5, channels)), tf.bfloat16)
    ones = tf.ones(channels)
    y, mean, variance = normalize_batch(x, ones, ones, 1e-3)
    exact = np.array(x, np.float64)
    expected = 1 + (exact - exact.mean((0, 1, 2))) / np.sqrt(
        exact.var((0, 1, 2)) + 1e-3
    )
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(np.array(y, float), expected, atol=0.02)
    np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), atol=1e-3)
    np.testing.assert_allclose(variance, exact.var((0, 1, 2)), rtol=1e-3)
    graph = tf.function(normalize_batch).get_concrete_function(x, ones, ones, 1e-3)
    (norm,) = (
        op for op in graph.graph.get_operations() if op.type == "FusedBatchNormV3"
    )
    assert norm.get_attr("T") == dtype


def test_a_doubled_line_and_its_gradient_by_hand():
    """[a, b] -> [a, 3/4 a + 1/4 b, 1/4 a + 3/4 b, b], in one row of two."""
    x = tf.constant([4.0, 8.0])[None, None, :, None]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = doubled(x)
    assert y[0, 0, :, 0].numpy() == pytest.approx([4, 5, 7, 8])
    upstream = tf.constant([[1.0, 2, 3, 4], [0, 0, 0, 0]])[None, :, :, None]
    found = tape.gradient(y, x, output_gradients=upstream)[0, 0, :, 0]
    assert found.numpy() == pytest.approx([1 + 1.5 + 0.75, 0.5 + 2.25 + 4])


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 1, 2, 32), (2, 6, 1, 4)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_gradient_of_doubling_is_that_of_tensorflow(shape, dtype):
    random = np.random.default_rng(0)
    x = tf.cast(random.normal(size=shape), dtype)
    larger = (shape[0], 2 * shape[1], 2 * shape[2], shape[3])
    upstream = tf.cast(random.normal(size=larger), dtype)
    found = []
    for function in (doubled, lambda x: resize(x, larger[1:3], "bilinear")):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        gradient = tape.gradient(y, x, output_gradients=upstream)
        found.append((np.array(y, float), np.array(gradient, float)))
    tolerance = 1e-5 if dtype == "float32" else 0.02
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)

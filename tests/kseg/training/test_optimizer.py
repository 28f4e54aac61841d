import keras
import numpy as np
import pytest
from keras import layers

from kseg.core.names import PEAK_RATES, SCHEDULE_NAMES
from kseg.training.optimizer import (
    OPTIMIZERS,
    SCHEDULES,
    SGD,
    AdamW,
    Schedule,
    average_into,
    new_optimizer,
)

ENCODER, DECODER = "encoder_dense", "decoder"
X, Y = np.random.RandomState(0).normal(size=(2, 8, 4)).astype(np.float32)
RATE, DECAY = 0.1, 0.5  # large, so that the decay is a visible part of each update


def tiny():
    """Two layers with kernels from 1 to 2."""
    x = image = keras.Input((4,))
    start = keras.initializers.RandomUniform(1, 2, seed=0)
    for name in (ENCODER, DECODER):
        x = layers.Dense(4, kernel_initializer=start, name=name)(x)
    return keras.Model(image, x)


def adamw(encoder_rate, weight_decay=DECAY):
    return AdamW(RATE, weight_decay=weight_decay, encoder_rate=encoder_rate)


def weights(model, name):
    return np.concatenate([w.ravel() for w in model.get_layer(name).get_weights()])


def change(optimizer, name, steps=1, scale=1.0):
    """The change of the weights of a layer in these steps."""
    model, random = tiny(), np.random.RandomState(0)
    before, variables = weights(model, name), model.trainable_variables
    gradients = [scale * random.choice([-2.0, 1.0], v.shape) for v in variables]
    for _ in range(steps):
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return weights(model, name) - before


@pytest.mark.parametrize("weight_decay", (0.0, DECAY))
@pytest.mark.parametrize("share", (0.1, 0.5))
def test_encoder_rate_scales_an_update(share, weight_decay):
    whole = change(adamw(1.0, weight_decay), ENCODER)
    part = change(adamw(share, weight_decay), ENCODER)
    assert np.abs(whole).min() > 0.01
    np.testing.assert_allclose(part, share * whole, rtol=1e-3, atol=1e-6)


def test_encoder_rate_scales_the_weight_decay():
    decay = change(adamw(0.1), ENCODER) - change(adamw(0.1, 0.0), ENCODER)
    expected = -0.1 * RATE * DECAY * weights(tiny(), ENCODER)
    np.testing.assert_allclose(decay, expected, rtol=1e-3, atol=1e-6)


def test_other_layers_are_not_scaled():
    whole, part = (change(adamw(share), DECODER, 3) for share in (1.0, 0.1))
    np.testing.assert_array_equal(part, whole)


@pytest.mark.parametrize("name", (ENCODER, DECODER))
def test_encoder_rate_1_equals_adamw_of_keras(name):
    reference = keras.optimizers.AdamW(RATE, weight_decay=DECAY)
    found = change(adamw(1.0), name, steps=3)
    np.testing.assert_array_equal(found, change(reference, name, steps=3))


def test_scaled_gradients_have_no_effect():
    """The reason for scaling updates: Adam normalizes the gradients."""
    whole, scaled = (
        change(keras.optimizers.AdamW(RATE), ENCODER, scale=scale)
        for scale in (1.0, 0.1)
    )
    np.testing.assert_allclose(scaled, whole, rtol=1e-4)


def test_a_saved_model_keeps_its_encoder_rate(tmp_path):
    """In a traced step; the tests above run eagerly."""
    before, changes = weights(tiny(), ENCODER), []
    for share in (1.0, 0.1):
        straight = tiny()
        straight.compile(adamw(share), "mse")
        straight.train_on_batch(X, Y)
        changes.append(weights(straight, ENCODER) - before)
    np.testing.assert_allclose(changes[1], 0.1 * changes[0], rtol=1e-3, atol=1e-6)

    straight.save(tmp_path / "model.keras")
    resumed = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(resumed.optimizer, AdamW)
    assert resumed.optimizer.encoder_rate == 0.1
    for model in (straight, resumed):
        model.train_on_batch(X, Y)
    for name in (ENCODER, DECODER):
        np.testing.assert_array_equal(weights(resumed, name), weights(straight, name))


def test_config_is_restored():
    optimizer = AdamW(1e-3, weight_decay=1e-4, encoder_rate=0.25)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(copy, AdamW)
    assert (copy.encoder_rate, copy.weight_decay) == (0.25, 1e-4)


# The learning rate schedule


@pytest.mark.parametrize(
    ("course", "half", "late"),
    # (1 + cos(pi / 2)) / 2, (1 + cos(3 pi / 4)) / 2; 0.5 ** 0.9, 0.25 ** 0.9
    [("cosine", 0.5, 0.146447), ("polynomial", 0.535887, 0.287175)],
)
def test_the_rate_rises_linearly_and_falls_to_0(course, half, late):
    schedule = Schedule(peak=2.0, total=50, warmup=10, course=course)
    expected = {0: 0, 5: 0.5, 10: 1, 30: half, 40: late, 50: 0, 60: 0}
    for step, share in expected.items():
        assert float(schedule(step)) == pytest.approx(2 * share, abs=1e-5), step


def test_without_warmup_the_first_step_is_at_the_peak():
    assert float(Schedule(0.1, 10, 0, "cosine")(0)) == pytest.approx(0.1)


def test_the_error_for_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="cosine.*polynomial.*'linear'"):
        Schedule(1.0, 10, 0, "linear")
    with pytest.raises(ValueError, match="adamw.*sgd.*'lion'"):
        new_optimizer("lion", Schedule(1.0, 10, 0, "cosine"), 0.0)


def test_the_options_list_all_optimizers_and_schedules():
    assert list(PEAK_RATES) == list(OPTIMIZERS)
    assert SCHEDULE_NAMES == SCHEDULES


@pytest.mark.parametrize("course", SCHEDULES)
def test_the_rate_can_end_at_a_share_of_the_peak(course):
    schedule = Schedule(2.0, total=50, warmup=10, course=course, final=0.1)
    found = [float(schedule(step)) for step in (5, 10, 50, 60)]
    assert found == pytest.approx([1.0, 2.0, 0.2, 0.2])
    half = float(Schedule(2.0, 50, 10, course)(30))
    assert float(schedule(30)) == pytest.approx(0.2 + 0.9 * half)
    assert Schedule.from_config(schedule.get_config()).final == 0.1


# Gradients of a limited norm, and weights without decay


@pytest.mark.parametrize(
    ("clip_norm", "expected"),
    # The norm of (3, 4) and (12,) together is 13; 6.5 halves them.
    [(0.0, [3, 4, 12]), (13.5, [3, 4, 12]), (6.5, [1.5, 2, 6])],
)
def test_the_norm_of_all_gradients_together_is_limited(clip_norm, expected):
    steady = Schedule(1.0, 10, 0, "cosine", final=1.0)
    optimizer = new_optimizer("sgd", steady, 0.0, clip_norm=clip_norm)
    weights = [keras.Variable([0.0, 0.0]), keras.Variable([0.0])]
    gradients = [keras.ops.convert_to_tensor(g) for g in ([3.0, 4.0], [12.0])]
    optimizer.apply_gradients(zip(gradients, weights, strict=True))
    moved = -np.concatenate(weights) / 1.9  # Nesterov's first step is 1 + 0.9 gradients
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


def test_biases_and_batch_norm_can_be_without_decay():
    """Of gradients of 0 only the decay is left: 1 - 0.1 * 0.5."""
    image = keras.Input((4, 4, 2))
    x = layers.Conv2D(2, 1)(image)
    model = keras.Model(image, layers.BatchNormalization()(x))
    for decayed, kept in (("all", []), ("kernels", ["beta", "bias", "gamma"])):
        steady = Schedule(0.1, 10, 0, "cosine", final=1.0)
        optimizer = new_optimizer("sgd", steady, 0.5, decayed=decayed)
        variables = model.trainable_variables
        for variable in variables:
            variable.assign(keras.ops.ones_like(variable))
        zeros = [keras.ops.zeros_like(variable) for variable in variables]
        optimizer.apply_gradients(zip(zeros, variables, strict=True))
        values = {v.name: float(np.ravel(v)[0]) for v in variables}
        assert sorted(name for name in values if values[name] == 1) == kept
        assert values["kernel"] == pytest.approx(0.95)


# SGD and averages


def test_sgd_by_hand():
    """Nesterov: v = 0.9 v - rate g, w += 0.9 v - rate g; decay: rate * decay * w."""
    optimizer = SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.5)
    weight = keras.Variable([1.0])
    optimizer.apply_gradients([(keras.ops.convert_to_tensor([2.0]), weight)])
    decayed = 1.0 - 0.1 * 0.5 * 1.0
    velocity = -0.1 * 2.0
    assert float(weight[0]) == pytest.approx(decayed + 0.9 * velocity - 0.1 * 2.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_averages_do_not_overwrite_the_weights(name):
    """Of three weights the decays are 0, 2 / 11 and 3 / 12, under the 0.5 asked for."""
    optimizer = new_optimizer(name, Schedule(0.1, 100, 0, "cosine"), 0.0, ema=0.5)
    weight, seen = keras.Variable([1.0]), []
    for gradient in (1.0, -2.0, 0.5):
        optimizer.apply_gradients([(keras.ops.convert_to_tensor([gradient]), weight)])
        seen.append(float(weight[0]))
    optimizer.finalize_variable_values([weight])  # called at the end of `fit`
    assert float(weight[0]) == seen[-1]
    copy = keras.Variable([0.0])
    average_into(optimizer, [copy])
    first = 2 / 11 * seen[0] + 9 / 11 * seen[1]
    assert float(copy[0]) == pytest.approx(0.25 * first + 0.75 * seen[2], rel=1e-5)
    assert float(weight[0]) == seen[-1]


def test_without_averages_nothing_is_assigned():
    optimizer = new_optimizer("adamw", Schedule(0.1, 100, 0, "cosine"), 0.0)
    weight, copy = keras.Variable([1.0]), keras.Variable([7.0])
    optimizer.apply_gradients([(keras.ops.convert_to_tensor([1.0]), weight)])
    average_into(optimizer, [copy])
    assert float(copy[0]) == 7.0

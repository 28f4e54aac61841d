"""Properties of all losses, sums of losses, and the object for `compile`."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from kseg.evaluation.metrics.keras_metrics import MeanIoU
from kseg.training.losses.region import dice
from kseg.training.losses.segmentation import (
    LOSSES,
    SegmentationLoss,
    terms_of,
)
from tests.kseg.training.losses.cases import (
    EXPECTED,
    LOGITS,
    MASK,
    ROOT,
    WEIGHT,
    WEIGHTED,
    each_loss,
    gradient_of,
    loss_of,
    on_tensorflow,
    over_areas,
    random_batch,
)


def padded(mask, logits, rows, columns):
    """Adds void below and to the right, with arbitrary logits."""
    around = ((0, 0), (0, rows), (0, columns))
    return (
        np.pad(mask, around, constant_values=255),
        np.pad(logits, (*around, (0, 0)), constant_values=3.0),
    )


@each_loss
@pytest.mark.parametrize("dtype", ("uint8", "int32", "int64", "float32"))
def test_any_type_of_mask(name, dtype):
    expected = float(LOSSES[name](MASK, LOGITS))
    assert float(LOSSES[name](MASK.astype(dtype), LOGITS)) == expected


@each_loss
def test_another_ignore_index(name):
    mask = np.where(MASK == 255, 7, MASK)
    expected = float(LOSSES[name](MASK, LOGITS))
    assert float(LOSSES[name](mask, LOGITS, ignore_index=7)) == expected


@each_loss
def test_logits_in_void_have_no_effect(name):
    other = LOGITS.copy()
    other[0, 1, 1] = 1e4, -1e4
    assert float(LOSSES[name](MASK, other)) == float(LOSSES[name](MASK, LOGITS))


@each_loss
def test_the_loss_of_void_is_zero(name):
    assert float(LOSSES[name](np.full_like(MASK, 255), LOGITS)) == 0


@on_tensorflow
@each_loss
def test_void_has_no_gradient(name):
    assert not gradient_of(LOSSES[name], np.full_like(MASK, 255), LOGITS).any()
    assert not gradient_of(LOSSES[name], MASK, LOGITS)[0, 1, 1].any()


@on_tensorflow
@each_loss
@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
@pytest.mark.parametrize("size", (1.0, 6e4))  # 65504 is float16's largest
def test_half_precision_is_finite(name, dtype, size):
    logits = ops.convert_to_tensor(np.sign(LOGITS) * size, dtype)
    loss = LOSSES[name](MASK, logits)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert np.isfinite(float(loss))
    gradient = gradient_of(LOSSES[name], MASK, logits)
    assert np.isfinite(gradient.astype(np.float32)).all()


@each_loss
def test_half_precision_is_computed_in_float32(name):
    logits = ops.convert_to_tensor(LOGITS, "float16")
    rounded = ops.convert_to_numpy(logits).astype(np.float32)
    assert float(LOSSES[name](MASK, logits)) == float(LOSSES[name](MASK, rounded))


@each_loss
@pytest.mark.parametrize("rows, columns", ((0, 0), (1, 0), (3, 5), (40, 40)))
def test_padding_does_not_change_the_loss(name, rows, columns):
    expected = float(LOSSES[name](MASK, LOGITS))
    found = LOSSES[name](*padded(MASK, LOGITS, rows, columns))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_the_object_for_compile_equals_the_function():
    loss = SegmentationLoss()(MASK.astype("uint8"), LOGITS)
    assert float(loss) == pytest.approx(EXPECTED, rel=1e-6)


@pytest.mark.parametrize("shape", ((1,), (1, 1), (1, 2, 2, 1)))
def test_weights_of_another_rank_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape of the mask, \(1, 2, 2\)"):
        SegmentationLoss()(MASK, LOGITS, np.ones(shape, np.float32))


@over_areas
def test_weights_without_effect_are_refused(name):
    with pytest.raises(ValueError, match="support pixel weights; add one of ce, f"):
        SegmentationLoss(name)(MASK, LOGITS, WEIGHT)
    with pytest.raises(ValueError, match="support class weights; add one of ce, f"):
        SegmentationLoss(name, (1, 2))


def test_in_a_sum_weights_apply_to_the_means_over_pixels():
    loss = SegmentationLoss("dice+2*ce", (0.5, 2.0))(MASK, LOGITS, WEIGHT)
    weighted = loss_of(MASK, LOGITS, weight=WEIGHT, class_weights=(0.5, 2.0))
    expected = 2 * weighted + float(dice(MASK, LOGITS))
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def sampled(*names):
    """The losses; all but `names` are marked slow."""
    assert set(names) <= set(LOSSES)
    rest = [pytest.param(x, marks=pytest.mark.slow) for x in LOSSES if x not in names]
    return [*names, *rest]


def need_training():
    if keras.backend.backend() == "numpy":
        pytest.skip("Keras does not train on NumPy")


def linear_model(rate):
    """A network that starts as the identity, trained by plain gradient descent."""
    model = keras.Sequential([keras.Input((2, 2, 2))])
    model.add(keras.layers.Conv2D(2, 1, use_bias=False))
    model.set_weights([np.eye(2, dtype=np.float32)[None, None]])
    loss = SegmentationLoss()
    model.compile(keras.optimizers.SGD(rate), loss, metrics=[MeanIoU(2)])
    return model


@pytest.mark.parametrize("weight, expected", ((None, EXPECTED), (WEIGHT, WEIGHTED)))
def test_fit_reports_the_weighted_loss(weight, expected):
    need_training()
    model = linear_model(rate=0.0)
    mask = MASK.astype(np.uint8)
    history = model.fit(LOGITS, mask, sample_weight=weight, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-6)
    # Predicted 1, 0 and (a tie) 0 where 1, 1 and 0 are true: IoU 1/2 of both classes.
    # Keras gives no weights to `metrics`; `MeanIoU` would refuse them.
    assert history["mean_iou"][0] == pytest.approx(0.5)


@pytest.mark.parametrize("weight", (None, WEIGHT))
def test_fit_descends_the_weighted_loss(weight):
    """The kernel changes by the gradient: the sum of x (p - y) w over valid pixels."""
    need_training()
    model = linear_model(rate=1.0)
    model.fit(LOGITS, MASK.astype(np.uint8), sample_weight=weight, verbose=0)
    error = np.array([[1 / 4, -1 / 4], [3 / 4, -3 / 4], [-1 / 2, 1 / 2]])
    counted = np.ones(3) if weight is None else weight.reshape(-1)[:3]
    pixels = LOGITS.reshape(-1, 2)[:3]
    gradient = pixels.T @ (error * counted[:, None]) / 3
    moved = model.get_weights()[0][0, 0] - np.eye(2)
    np.testing.assert_allclose(moved, -gradient, atol=1e-6)


@each_loss
def test_the_loss_is_finite_with_absent_classes(name):
    mask, logits = random_batch(5, classes=7)
    mask = np.where(mask == 255, 255, 3)
    hard = 1000 * np.eye(7, dtype=np.float32)[np.full(mask.shape, 5)]
    for scores in (logits, hard):
        assert np.isfinite(float(LOSSES[name](mask, scores)))
    if keras.backend.backend() == "tensorflow":
        assert np.isfinite(gradient_of(LOSSES[name], mask, hard)).all()


@on_tensorflow
@each_loss
def test_gradient_equals_finite_differences(name):
    mask, logits = random_batch(2, shape=(1, 3, 3))
    gradient = gradient_of(LOSSES[name], mask, logits)
    step = 2e-3  # too small to change the order of hard pixels
    for index in np.ndindex(logits.shape):
        ends = [logits.copy(), logits.copy()]
        ends[0][index] -= step
        ends[1][index] += step
        low, high = (float(LOSSES[name](mask, end)) for end in ends)
        slope = (high - low) / (2 * step)
        assert gradient[index] == pytest.approx(slope, abs=3e-4), index
    assert np.abs(gradient).max() > 0.01


@pytest.mark.parametrize(
    "spec, terms",
    (
        ("ce", [(1, "ce")]),
        ("ce+dice", [(1, "ce"), (1, "dice")]),
        ("ce+0.5*dice", [(1, "ce"), (0.5, "dice")]),
        (" 2 * focal + lovasz ", [(2, "focal"), (1, "lovasz")]),
    ),
)
def test_a_sum_equals_the_sum_of_its_losses(spec, terms):
    assert terms_of(spec) == terms
    expected = sum(factor * float(LOSSES[name](MASK, LOGITS)) for factor, name in terms)
    assert float(SegmentationLoss(spec)(MASK, LOGITS)) == pytest.approx(expected)


@pytest.mark.parametrize("spec", ("", "+", "ce+", "focall", "ce-dice", "2ce", "ce*2"))
def test_the_error_for_an_unknown_loss_lists_the_known_ones(spec):
    with pytest.raises(ValueError) as caught:
        SegmentationLoss(spec)
    message = str(caught.value)
    assert repr(spec) in message and "\n" not in message
    assert all(name in message for name in LOSSES)


@pytest.mark.parametrize("factor", ("0", "-1", "x", "", "nan", "inf", "1*2"))
def test_invalid_factors_are_refused(factor):
    with pytest.raises(ValueError, match="must be a number over 0"):
        SegmentationLoss(f"ce+{factor}*dice")


def pixel_model(spec, **compile):
    """A model of one 1x1 convolution, for images of any size."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, None, 3))])
    model.add(keras.layers.Conv2D(3, 1))
    adam = keras.optimizers.Adam(0.1)
    model.compile(adam, SegmentationLoss(spec), metrics=[MeanIoU(3)], **compile)
    return model


def colors(shape):
    """Random images labelled by their strongest channel, with void in a corner."""
    image = np.random.RandomState(0).uniform(size=(*shape, 3)).astype(np.float32)
    mask = image.argmax(-1).astype(np.uint8)
    mask[:, :3, :3] = 255
    return image, mask


@pytest.mark.parametrize("spec", (*sampled("ce", "dice"), "ce+0.5*dice"))
def test_fit_lowers_each_loss_and_learns(spec):
    need_training()
    model = pixel_model(spec)
    image, mask = colors((2, 12, 16))

    def step(times):
        """Steps on the same batch, in one epoch: an epoch costs more than a step."""
        batches = (np.tile(x, (times, 1, 1, 1)[: x.ndim]) for x in (image, mask))
        return model.fit(*batches, batch_size=2, shuffle=False, verbose=0).history

    first, _, last = step(1), step(58), step(1)
    assert last["loss"][0] < 0.7 * first["loss"][0]
    assert last["mean_iou"][0] > max(0.6, first["mean_iou"][0])
    odd = colors((1, 7, 11))  # another size
    assert np.isfinite(model.evaluate(*odd, verbose=0)).all()


@on_tensorflow
@pytest.mark.parametrize("spec", sampled("ce", "lovasz"))
def test_fit_compiles_each_loss(spec):
    """With XLA, which Keras uses by default on GPUs."""
    image, mask = colors((2, 6, 8))
    losses = [
        pixel_model(spec, jit_compile=jit).fit(image, mask, verbose=0).history["loss"]
        for jit in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


SCRIPT = """
import sys
import keras, numpy as np
from kseg.training.losses.segmentation import LOSSES, OVER_PIXELS

backend, source, target = sys.argv[1:]
assert keras.backend.backend() == backend
batch = np.load(source)

def gradient(loss):
    if backend == "jax":
        import jax
        return jax.jit(jax.value_and_grad(loss))(batch["logits"])
    logits = keras.ops.convert_to_tensor(batch["logits"])
    if backend == "torch":
        logits.requires_grad_(True)
        value = loss(logits)
        value.backward()
        return value, logits.grad
    import tensorflow as tf
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits)
    return value, tape.gradient(value, logits)

found = {}
for name, loss in LOSSES.items():
    for kind in ("mask", "void"):
        plain = lambda x: loss(batch[kind], x)
        cases = {"plain": plain}
        if name in OVER_PIXELS:
            weights = {"weight": batch["weight"], "class_weights": (0.5, 1, 2)}
            cases["weighted"] = lambda x: loss(batch[kind], x, **weights)
        for case, function in cases.items():
            value, slope = gradient(function)
            key = f"{name}/{kind}/{case}"
            found[f"{key}/value"] = keras.ops.convert_to_numpy(value)
            found[f"{key}/gradient"] = keras.ops.convert_to_numpy(slope)
np.savez(target, **found)
"""


def values_on(backend, folder):
    """Computes each loss and its gradient in a process with this backend."""
    mask, logits = random_batch(7, shape=(2, 24, 31))
    weight = np.random.RandomState(8).uniform(0, 3, mask.shape).astype(np.float32)
    source, target = folder / "batch.npz", folder / f"{backend}.npz"
    void = np.full_like(mask, 255)
    np.savez(source, mask=mask, void=void, logits=logits, weight=weight)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, backend, str(source), str(target)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(target))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ("jax", "torch"))
def test_values_and_gradients_equal_those_of_tensorflow(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install -e '.[{backend}]'")
    expected, found = (values_on(name, tmp_path) for name in ("tensorflow", backend))
    assert set(found) == set(expected)
    for key, value in expected.items():
        scale = np.abs(value).max() if "/mask/" in key else 1.0
        assert scale > 0
        np.testing.assert_allclose(
            found[key], value, rtol=1e-5, atol=1e-5 * scale, err_msg=key
        )


def test_config_is_restored():
    given = SegmentationLoss("ce+0.5*dice", (0.25, 4), 7, name="both")
    loss = keras.losses.deserialize(keras.losses.serialize(given))
    assert isinstance(loss, SegmentationLoss)
    assert (loss.spec, loss.class_weights) == ("ce+0.5*dice", (0.25, 4.0))
    assert (loss.ignore_index, loss.name) == (7, "both")
    mask = np.where(MASK == 255, 7, MASK)
    assert float(loss(mask, LOGITS)) == float(given(mask, LOGITS))


def test_a_saved_model_keeps_its_loss(tmp_path):
    need_training()
    model = linear_model(rate=1.0)
    model.compile("sgd", SegmentationLoss("focal+dice", (1, 2)))
    model.save(tmp_path / "model.keras")
    loss = keras.models.load_model(tmp_path / "model.keras").loss
    assert (loss.spec, loss.class_weights) == ("focal+dice", (1.0, 2.0))

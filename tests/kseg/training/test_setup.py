"""Network, loss, metrics and sizes before the first step of training."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from edge.model_file.info import InputGeometry
from kseg.core.configs import TrainConfig, from_record
from kseg.core.process_group import ALONE
from kseg.core.runs import CONFIG
from kseg.data.class_weights import class_weights, count_pixels
from kseg.models.layers.norm import BatchNorm, as_float32
from kseg.training.optimizer import AdamW, average_into
from kseg.training.setup import (
    LOSSES,
    METRICS,
    build_state,
    compile_for,
    crop_size,
    new_loss,
    new_network,
    set_batch_norm_momentum,
)
from tests.kseg.training.helpers import weights_of


@pytest.mark.parametrize(
    ("least", "step", "border", "expected"),
    [
        (1, 1, 0, (32, 32)),  # the size of the images
        (188, 16, 92, (220, 220)),  # 32 + 2 * 92 is 216
        (46, 8, 19, (70, 70)),  # 32 + 2 * 19 is 70
    ],
)
def test_the_default_crop_adds_the_border_of_the_network(
    tiny, least, step, border, expected
):
    sides = InputGeometry(min_input=least, input_step=step, valid_border=border)
    info = replace(tiny.info, geometry=sides)
    assert crop_size(TrainConfig(), tiny, info) == expected
    assert crop_size(TrainConfig(size=expected), tiny, info) == expected


def test_batch_norm_averages_over_half_an_epoch(tiny):
    model = new_network(TrainConfig(width=4), tiny)
    for steps, momentum in ((45, 1 - 2 / 45), (4, 0.9), (1000, 0.99)):
        set_batch_norm_momentum(model, steps)
        norms = [x for x in model.layers if isinstance(x, BatchNorm)]
        assert norms
        for norm in norms:
            assert norm.momentum == pytest.approx(momentum)


def test_class_weights_are_recorded_and_in_the_loss(weighted, tiny):
    record = json.loads((weighted / CONFIG).read_text(encoding="utf-8"))
    by_name = record["class_weights"]
    expected = class_weights("median", count_pixels(tiny.split("train"), len(by_name)))
    assert tuple(by_name) == tiny.class_names and tuple(by_name.values()) == expected
    config = from_record(TrainConfig, record["config"])
    for counted in (None, by_name):
        loss = new_loss(config, tiny, counted)
        assert (loss.spec, loss.class_weights) == ("ce+0.5*dice", expected)


def test_a_run_without_class_weights_records_none(coarse):
    assert (
        json.loads((coarse / CONFIG).read_text(encoding="utf-8"))["class_weights"]
        is None
    )


def test_encoder_rate_scales_the_updates_of_the_encoder(tiny):
    random = np.random.RandomState(0)
    images = random.uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    masks = random.randint(0, tiny.num_classes, (2, 32, 32))
    steps = []
    for rate in (1.0, 0.1):
        config = TrainConfig(width=4, encoder_rate=rate, weight_decay=0.1)
        model = new_network(config, tiny)
        compile_for(model, config, tiny, total_steps=4)  # without a warm-up
        model.run_eagerly = True  # test_optimizer tests a traced step
        before = weights_of(model)
        model.train_on_batch(images, masks)
        after = weights_of(model)
        steps.append({name: after[name] - before[name] for name in before})
    whole, part = steps
    scaled = 0
    for name, step in whole.items():
        share = 1.0
        if name.startswith("encoder_") and not name.endswith(("_bn/2", "_bn/3")):
            share, scaled = 0.1, scaled + 1
        np.testing.assert_allclose(
            part[name], share * step, rtol=1e-3, atol=3e-7, err_msg=name
        )
    assert scaled == 10 * 3  # kernel, scale and offset of ten convolutions


# --- loss and metrics of a task ---


def two_outputs() -> keras.Model:
    """Logits of a mask and a value for each image: named outputs of two ranks."""
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(2, 3, padding="same", name="score")(image)
    x = BatchNorm(name="norm")(x)
    mean = layers.GlobalAveragePooling2D(name="mean")(x)
    value = layers.Dense(1, name="value")(mean)
    return keras.Model(image, {"mask": x, "value": value}, name="two")


def new_two_losses(config, data, counted=None):
    mask = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return {"mask": mask, "value": keras.losses.MeanSquaredError()}


class TwoMetrics:
    """Metrics of `two_outputs`; the headline is the accuracy of the mask."""

    headline = "mask_accuracy"

    def __init__(self, config, data):
        pass

    def for_compile(self):
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return {"mask": [accuracy], "value": []}

    def blank_target(self):
        mask = np.zeros((1, 1, 1), np.uint8)
        return {"mask": mask, "value": np.zeros((1, 1), np.float32)}

    def validation(self, network, batches, loss):
        measured = keras.Model(network.inputs, network.output)
        measured.compile(loss=loss, metrics=self.for_compile())
        return lambda: measured.evaluate(batches, verbose=0, return_dict=True)


@pytest.fixture
def two(monkeypatch, tiny):
    """A data set of another task than semantic segmentation, and its network."""
    monkeypatch.setitem(LOSSES, "two", new_two_losses)
    monkeypatch.setitem(METRICS, "two", TwoMetrics)
    keras.utils.set_random_seed(0)
    return replace(tiny, task="two"), two_outputs()


def batch_of_two():
    random = np.random.RandomState(0)
    image = random.uniform(0, 1, (4, 8, 8, 3)).astype(np.float32)
    mask = random.randint(0, 2, (4, 8, 8)).astype(np.uint8)
    return image, {"mask": mask, "value": random.uniform(size=(4, 1))}


def shapes_of_state(model) -> list[tuple]:
    kinds = (model.optimizer.variables, model.metrics_variables)
    return [tuple(variable.shape) for kind in kinds for variable in kind]


def test_a_blank_batch_builds_the_same_state_as_the_first_step(two):
    data, model = two
    config = TrainConfig()
    compile_for(model, config, data, total_steps=4)
    build_state(model, ALONE, METRICS[data.task](config, data).blank_target())
    built = shapes_of_state(model)
    assert all(not np.any(variable) for variable in model.metrics_variables)

    other = keras.models.clone_model(model)
    compile_for(other, config, data, total_steps=4)
    other.train_on_batch(*batch_of_two())
    assert built == shapes_of_state(other)


@pytest.mark.parametrize("name", ["dense", "unet_paper"])
def test_the_blank_batch_of_semantic_networks(name, tiny):
    config = TrainConfig(model=name, width=2)
    model = new_network(config, tiny)
    compile_for(model, config, tiny, total_steps=4)
    build_state(model, ALONE, METRICS["semantic"](config, tiny).blank_target())
    mean, *counters = [tuple(v.shape) for v in model.metrics_variables][1:]
    assert mean == () and counters == [(6, 6), (6, 6)]


def test_copies_of_a_network_keep_the_structure_of_its_outputs(two):
    _, model = two
    copy = as_float32(model)
    image, _ = batch_of_two()
    expected, found = (x.predict(image, verbose=0) for x in (model, copy))
    assert set(found) == {"mask", "value"}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6)


def test_averaged_weights_of_several_outputs_are_in_the_right_order(two):
    """With momentum 0 the average equals the weights after each step."""
    _, model = two
    average = {"use_ema": True, "ema_momentum": 0.0}
    model.compile(AdamW(0.1, **average), new_two_losses(None, None))
    copy = as_float32(model)
    model.train_on_batch(*batch_of_two())
    average_into(model.optimizer, copy.trainable_variables)
    pairs = zip(copy.trainable_variables, model.trainable_variables, strict=True)
    for average, trained in pairs:
        np.testing.assert_array_equal(average, trained)

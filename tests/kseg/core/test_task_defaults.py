"""Defaults and unused options of each task."""

import pytest

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.task_defaults import DEFAULTS, UNUSED, for_task


@pytest.mark.parametrize("task", ("instance", "detection"))
def test_objects_have_defaults_of_their_own(task):
    config = for_task(TrainConfig(ema=0.5), {"ema"}, task)
    assert (config.task, config.model, config.batch_size) == (task, "instances", 16)
    assert (config.clip_norm, config.weight_decay_of) == (10, "kernels")
    assert config.ema == 0.5  # it was given


@pytest.mark.parametrize(
    ("options", "peak", "encoder_rate"),
    [
        ({}, 4e-3, 1.0),
        ({"weights": "imagenet"}, 1e-3, 0.3),
        ({"init_from": "run"}, 1e-3, 0.3),
        ({"optimizer": "sgd"}, 2e-2, 1.0),
        ({"optimizer": "sgd", "weights": "imagenet"}, 2e-2, 0.3),
        ({"learning_rate": 5e-3, "weights": "imagenet"}, 5e-3, 0.3),
    ],
)
def test_weights_that_are_already_good_change_slowly(options, peak, encoder_rate):
    config = for_task(TrainConfig(**options), options, "instance")
    assert (config.peak_rate, config.encoder_rate) == (peak, encoder_rate)


@pytest.mark.parametrize(
    ("options", "peak", "encoder_rate"),
    [
        ({}, 1e-3, 1.0),
        ({"weights": "imagenet"}, 1e-4, 0.1),
        ({"optimizer": "sgd", "weights": "imagenet"}, 2e-2, 0.1),
        ({"learning_rate": 5e-3}, 5e-3, 1.0),
    ],
)
def test_detr_has_the_rates_of_its_paper(options, peak, encoder_rate):
    named = {"model": "detr", **options}
    config = for_task(TrainConfig(**named), named, "detection")
    assert (config.peak_rate, config.encoder_rate) == (peak, encoder_rate)
    assert (config.clip_norm, config.weight_decay, config.ema) == (0.1, 1e-4, 0)
    assert config.mosaic == config.paste == 0 and config.batch_size == 16


def test_semantic_defaults_are_those_of_the_options():
    assert for_task(TrainConfig(), (), "semantic") == TrainConfig(task="semantic")


@pytest.mark.parametrize(
    ("options", "peak", "encoder_rate", "schedule"),
    [
        ({"weights": "imagenet"}, 4e-3, 0.3, "polynomial"),
        ({"weights": "imagenet", "encoder_rate": 1.0}, 4e-3, 1.0, "polynomial"),
        ({"weights": "imagenet", "schedule": "cosine"}, 4e-3, 0.3, "cosine"),
        ({"weights": "imagenet", "optimizer": "sgd"}, 2e-2, 0.3, "polynomial"),
        ({"weights": "imagenet", "init_from": "run"}, 1e-3, 1.0, "cosine"),
        ({"weights": "imagenet", "model": "fcn8s"}, 1e-3, 1.0, "cosine"),
    ],
)
def test_a_pretrained_encoder_of_unet_changes_slowly(
    options, peak, encoder_rate, schedule
):
    config = for_task(TrainConfig(**options), options, "semantic")
    assert (config.peak_rate, config.encoder_rate) == (peak, encoder_rate)
    assert config.schedule == schedule


@pytest.mark.parametrize("task", UNUSED)
def test_an_option_without_effect_is_refused(task):
    for name in UNUSED[task]:
        flag = "--" + name.replace("_", "-")
        with pytest.raises(InputError, match=f"^{flag}: has no effect on the task"):
            for_task(TrainConfig(), {name}, task)


def test_options_of_a_resumed_run_are_left_to_the_comparison_with_it():
    """The task is that of the run, which is not read yet."""
    asked = TrainConfig(resume=True, strides=(4, 8))
    assert for_task(asked, {"resume", "strides"}, "semantic").strides == (4, 8)


def test_the_names_are_options():
    names = {*TrainConfig.__dataclass_fields__}
    assert {name for task in DEFAULTS.values() for name in task} <= names
    assert {name for task in UNUSED.values() for name in task} <= names


def test_stride_2_is_only_for_the_network_that_pools_features():
    config = TrainConfig(model="fast_rcnn", strides=(2, 4))
    assert for_task(config, {"model", "strides"}, "detection").strides == (2, 4)
    config = TrainConfig(model="instances", strides=(2, 4))
    with pytest.raises(InputError, match="--strides 2,4: only fast_rcnn has feat"):
        for_task(config, {"model", "strides"}, "detection")

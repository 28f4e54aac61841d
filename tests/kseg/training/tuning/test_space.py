"""Which options are searched."""

import pytest

from kseg.core.configs import TrainConfig
from kseg.core.task_defaults import for_task
from kseg.training.tuning.space import (
    Choice,
    Range,
    default_point,
    search_space,
    suggested,
)

MOST = 8


def space_of(task="semantic", given=(), **options):
    config = for_task(TrainConfig(**options), {*options}, task)
    return config, search_space(config, {*options, *given})


def test_options_of_pixels_and_of_objects():
    _, pixels = space_of()
    assert set(pixels) == {
        *("learning_rate", "weight_decay", "loss", "scale", "color", "rare_crops"),
        "ema",
    }
    _, objects = space_of("instance")
    assert set(objects) == set(pixels) - {"loss", "rare_crops"}


def test_a_pretrained_encoder_has_a_rate_of_its_own():
    _, space = space_of(weights="imagenet", encoder="mobilenetv2")
    assert "encoder_rate" in space and len(space) == MOST


def test_what_is_given_is_not_searched():
    _, space = space_of(given=("ema",), learning_rate=0.01, loss="ce")
    assert not {"learning_rate", "loss", "ema"} & set(space)


@pytest.mark.parametrize("task", ["semantic", "instance", "detection"])
@pytest.mark.parametrize("weights", ["none", "imagenet"])
def test_the_default_options_are_inside_the_ranges(task, weights):
    config, space = space_of(task, weights=weights)
    for name, value in default_point(config, space).items():
        each = space[name]
        if isinstance(each, Choice):
            assert value in each.values
        else:
            assert each.low <= value <= each.high


def test_the_learning_rate_is_searched_around_its_default():
    """1e-3 of AdamW: from 1e-4 to 5e-3; 2e-2 of SGD: from 2e-3 to 0.1."""
    for optimizer, low, high in (("adamw", 1e-4, 5e-3), ("sgd", 2e-3, 0.1)):
        _, space = space_of(optimizer=optimizer)
        assert space["learning_rate"].low == pytest.approx(low)
        assert space["learning_rate"].high == pytest.approx(high)


class Trial:
    """Suggests the upper end of a range and the last of several values."""

    def suggest_float(self, name, low, high, log):
        return high

    def suggest_categorical(self, name, values):
        return values[-1]


def test_numbers_have_few_digits():
    space = {"a": Range(0, 0.123456), "b": Choice(("x", "y"))}
    assert suggested(Trial(), space) == {"a": 0.123, "b": "y"}

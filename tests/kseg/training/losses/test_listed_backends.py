"""The losses of networks that list boxes, on each backend of Keras."""

import pytest

from tests.kseg.models.test_backends import OTHERS, run

# Three steps from the same weights on the same two scenes; prints each loss.
SCRIPT = """
import sys
import keras, numpy as np
from edge.video import scenes
from kseg.data.loading.box_targets import BoxTargets
from kseg.data.objects import objects_of_map
from kseg.models import build_model
from kseg.training.joint_loss import for_loss
from kseg.training.losses.grid import GridLoss
from kseg.training.losses.one_object import OneObjectLoss
from kseg.training.optimizer import Schedule, new_optimizer

size = (64, 64)
for name, count, kind in (("localize", 1, OneObjectLoss), ("yolo", 4, GridLoss)):
    targets, images, rows = BoxTargets(size, 6), [], []
    for index in range(2):
        image, ids, classes = scenes.scene_objects(0, index, size, count=count)
        images.append(image.astype(np.float32))
        found = objects_of_map(ids, classes)
        rows.append(targets.of(found, np.random.default_rng(index)))
    target = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    model = build_model(name, 5, width=2)
    random = np.random.RandomState(0)
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            deviation = np.sqrt(2 / np.prod(variable.shape[:-1]))
            variable.assign(random.normal(0, deviation, variable.shape))
    model = for_loss(model, kind(size))
    rate = Schedule(1e-3, 10, 0, "cosine", 0.02)
    model.compile(new_optimizer("adamw", rate, 0.05, clip_norm=1.0))
    for _ in range(3):
        print(float(model.train_on_batch(np.stack(images), target)))
"""


@pytest.fixture(scope="module")
def expected() -> list[float]:
    """The losses on TensorFlow."""
    return [float(line) for line in run("tensorflow", SCRIPT)]


@pytest.mark.parametrize("name", OTHERS)
def test_losses_are_the_same_on_every_backend(name, expected):
    """The first two to 1e-4; the third differs by the rounding of the steps before.

    A difference of 1e-5 in the second loss of `localize`, whose positions are those of
    peaks, has become one of 1.4e-3 in the third.
    """
    found = [float(line) for line in run(name, SCRIPT)]
    for first in (0, 3):
        two = slice(first, first + 2)
        assert found[two] == pytest.approx(expected[two], rel=1e-4)
        assert found[first + 2] < found[first]
    assert found == pytest.approx(expected, rel=2e-3)

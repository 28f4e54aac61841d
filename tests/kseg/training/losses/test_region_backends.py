"""The loss of networks of regions, on each backend of Keras."""

import pytest

from tests.kseg.models.test_backends import OTHERS, run

# Two steps from the same weights on the same two scenes; prints each loss.
SCRIPT = """
import keras, numpy as np
from edge.video import scenes
from kseg.data.loading.region_targets import RegionTargets
from kseg.data.objects import objects_of_map
from kseg.models import build_model
from kseg.training.joint_loss import for_loss
from kseg.training.losses.regions import RegionLoss
from kseg.training.optimizer import Schedule, new_optimizer

size, strides, proposals = (32, 32), (4, 8), 12
targets = RegionTargets(size, (4, 8, 16), 4.0, proposals + 6, masks=True, limit=6)
images, rows = [], []
for index in range(2):
    image, ids, classes = scenes.scene_objects(0, index, size)
    images.append(image.astype(np.float32))
    found = objects_of_map(ids, classes)
    rows.append(targets.of(found, np.random.default_rng(index)))
target = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
counts = {"counts": (20, 8), "training_counts": (20, proposals)}
model = build_model("mask_rcnn", 5, width=2, strides=strides, fc_width=16,
                    anchor_scale=4.0, **counts)
random = np.random.RandomState(0)
for variable in model.trainable_variables:
    if variable.name == "kernel":
        deviation = np.sqrt(2 / np.prod(variable.shape[:-1]))
        variable.assign(random.normal(0, deviation, variable.shape))
loss = RegionLoss(16)
model = for_loss(model, loss)
rate = Schedule(1e-3, 10, 0, "cosine", 0.02)
model.compile(new_optimizer("adamw", rate, 0.05, clip_norm=1.0, ema=0.9))
for _ in range(2):
    print(float(model.train_on_batch(np.stack(images), target)))
"""


@pytest.fixture(scope="module")
def expected() -> list[float]:
    """The losses on TensorFlow."""
    return [float(line) for line in run("tensorflow", SCRIPT)]


@pytest.mark.parametrize("name", OTHERS)
def test_losses_are_the_same_on_every_backend(name, expected):
    """The first to 1e-4; the second differs by the rounding of the step before."""
    found = [float(line) for line in run(name, SCRIPT)]
    assert found[0] == pytest.approx(expected[0], rel=1e-4)
    assert found[1] == pytest.approx(expected[1], rel=1e-2)

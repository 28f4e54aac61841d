"""Objects trained on several devices and in several processes, compared with one."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kseg.core.runs import read_history
from kseg.models.saving import load_model
from tests.kseg.training.helpers import ROOT
from tests.kseg.training.test_distribution import ended, start, start_both

# One step on one device and on two. Batch norm is frozen, as each replica normalizes
# its own images. The images have different numbers of objects, and the gradient is
# longer than --clip-norm, so the sums over the whole batch matter.
REPLICAS = """
import keras, numpy as np, tensorflow as tf
from edge.predict.boxes import anchor_grid
from edge.video import scenes
from kseg.data.loading.cell_targets import CellTargets
from kseg.data.objects import no_objects, objects_of_map
from kseg.models import build_model
from kseg.training.joint_loss import for_loss
from kseg.training.losses.objects import ObjectLoss
from kseg.training.optimizer import Schedule, new_optimizer

(processor,) = tf.config.list_physical_devices("CPU")
logical = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, logical)
size, strides = (64, 64), (8,)
targets, images, rows = CellTargets(size, strides, masks=True), [], []
for index in range(4):
    image, ids, classes = scenes.scene_objects(0, index, size)
    objects = no_objects() if index == 3 else objects_of_map(ids, classes)
    images.append(image.astype(np.float32))
    rows.append(targets.of(objects, np.random.default_rng(index)))
found = [(row["classes"] >= 0).sum() for row in rows]
assert sum(found[:2]) != sum(found[2:]) > 0, found
batch = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
batches = tf.data.Dataset.from_tensor_slices((np.stack(images), batch)).batch(4)
results = []
for count in (1, 2):
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)])
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = build_model("instances", 5, width=4, strides=strides)
        norms = [layer for layer in model.layers if layer.name.endswith("_bn")]
        for layer in norms:
            layer.trainable = False
        model = for_loss(model, ObjectLoss(*anchor_grid(size, strides)))
        rate = Schedule(1e-2, 10, 0, "cosine", 1.0)
        model.compile(new_optimizer("sgd", rate, 0.05, clip_norm=0.5, ema=0.9))
    before = model.get_weights()
    history = model.fit(batches, epochs=1, verbose=0).history
    results.append((history["loss"][0], model.get_weights()))
assert norms
(one, weights), (two, others) = results
np.testing.assert_allclose(two, one, rtol=1e-5)
moved = [np.abs(a - b).max() for a, b in zip(weights, before, strict=True)]
assert max(moved) > 1e-3, max(moved)
for found, expected in zip(others, weights, strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-5)
"""


@pytest.mark.slow
@pytest.mark.distributed
def test_a_step_on_two_replicas_of_tensorflow_equals_one_on_one_device():
    process = subprocess.run(
        [sys.executable, "-c", REPLICAS],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr


OPTIONS = ["--task", "instance", "--width", "4", "--size", "64x64", "--strides", "8"]
OPTIONS += ["--batch-size", "4", "--epochs", "2", "--learning-rate", "1e-4"]


@pytest.mark.slow
@pytest.mark.distributed
def test_tensorflow_trains_and_validates_on_two_devices(objects_folder, tmp_path):
    own = ["--data", str(objects_folder), "--output", str(tmp_path / "run")]
    devices = ["--distribute", "--devices", "2"]
    log = ended(start("tensorflow", *own, *OPTIONS, *devices), 0)
    assert "processes: 1, devices: 2; each device gets 2 of the 4 images" in log
    lines = read_history(tmp_path / "run" / "history.csv")
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(0 <= line["val_mask_ap"] <= 1 for line in lines)


@pytest.mark.slow
@pytest.mark.distributed
def test_two_processes_of_jax_equal_one_and_do_not_wait_forever(
    objects_folder, tmp_path
):
    """The three validation images are predicted in both processes."""
    pytest.importorskip("jax", reason="several processes train on JAX")
    options = ["--data", str(objects_folder), *OPTIONS]
    ended(start("jax", *options, "--output", str(tmp_path / "one")), 0)
    for process in start_both(*options, "--output", str(tmp_path / "two")):
        ended(process, 0)
    runs = [tmp_path / "one", tmp_path / "two"]
    lines = [read_history(run / "history.csv") for run in runs]
    for expected, found in zip(*lines, strict=True):
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)
        assert found["val_mask_ap"] == pytest.approx(expected["val_mask_ap"], abs=1e-3)
    weights = [load_model(run / "last.keras").get_weights() for run in runs]
    for found, expected in zip(*weights, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)

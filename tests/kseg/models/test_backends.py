"""Training of the networks on each backend of Keras, in separate processes."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
# What each is compared with TensorFlow on. JAX compiles for up to half a minute, and
# test_other_backends.py trains on it.
OTHERS = (
    pytest.param("jax", marks=pytest.mark.full),
    pytest.param("torch", marks=pytest.mark.slow),
)

# Fits one batch for a few steps with kseg's loss, metric and optimizer, and prints the
# first and the last loss of each network.
SCRIPT = """
import sys
import keras, numpy as np
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from kseg.models.keras_engine import KerasEngine
from kseg.training.losses.segmentation import SegmentationLoss
from kseg.evaluation.metrics.keras_metrics import MeanIoU
from kseg.models import MODELS, build_model, geometry, has_encoder
from kseg.training.optimizer import AdamW

assert keras.backend.backend() == sys.argv[1]
if sys.argv[2] == "sample":  # skips, unpooling, valid convolutions
    names = ("unet", "segnet", "unet_paper")
else:
    names = [name for name in MODELS if "semantic" in MODELS[name].tasks]
cases = [(name, "plain", {"width": 4}) for name in names]
if sys.argv[2] == "all":
    cases += [("unet", "mobilenetv2", {"alpha": 0.35})]
    cases += [("fcn8s", "alexnet", {"fc_width": 8})]
for name, encoder, options in cases:
    keras.utils.set_random_seed(0)
    model = build_model(name, 3, encoder, **options)
    shape = geometry(model)
    info = ModelInfo(("a", "b", "c"), ((0, 0, 0),) * 3, geometry=shape)
    height, width = info.geometry.smallest_input((48, 64))
    random = np.random.RandomState(0)
    image = random.uniform(0, 255, (2, height, width, 3)).astype("float32")
    edge = shape.valid_border
    inside = image[:, edge : height - edge, edge : width - edge, 0]
    mask = (inside > 128).astype("uint8")
    mask[:, :8] = 255
    rate = 0.5 if has_encoder(name) else 1.0
    optimizer = AdamW(1e-3, encoder_rate=rate)
    model.compile(optimizer, SegmentationLoss(), metrics=[MeanIoU(3)])
    losses = model.fit(image, mask, batch_size=2, epochs=8, verbose=0).history["loss"]
    image = random.randint(0, 256, (50, 70, 3)).astype("uint8")
    labels = SemanticPredictor(KerasEngine(model), info).predict(image).labels
    assert labels.shape == (50, 70)
    print(name, encoder, losses[0], min(losses[4:]))
"""


def run(name: str, script: str, *arguments: str) -> list[str]:
    """The lines that a script prints on a backend; skips if it is not installed."""
    if importlib.util.find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{name} is not installed: pip install -e '.[{name}]'")
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": name, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("which", "count"),
    [
        pytest.param("sample", 3, marks=pytest.mark.slow),
        pytest.param("all", 11, marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("name", PACKAGES)
def test_every_network_learns(name, which, count):
    lines = run(name, SCRIPT, name, which)
    assert len(lines) == count
    for line in lines:
        *_, first, last = line.split()
        assert float(last) < float(first), line


# Three steps of the network of objects from the same weights, with the optimizer of
# its task. Prints the loss of each. Batches are given as arrays, as in a notebook.
OBJECTS = """
import keras, numpy as np
from edge.predict.boxes import anchor_grid
from edge.video import scenes
from kseg.data.loading.cell_targets import CellTargets
from kseg.data.objects import objects_of_map
from kseg.models import build_model
from kseg.training.joint_loss import for_loss
from kseg.training.losses.objects import ObjectLoss
from kseg.training.optimizer import Schedule, new_optimizer

size, strides, images, rows = (64, 64), (8, 16), [], []
targets = CellTargets(size, strides, masks=True)
for index in range(2):
    image, ids, classes = scenes.scene_objects(0, index, size)
    images.append(image.astype(np.float32))
    found = objects_of_map(ids, classes)
    rows.append(targets.of(found, np.random.default_rng(index)))
target = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
model = build_model("instances", 5, width=4, strides=strides)
random = np.random.RandomState(0)
for variable in model.trainable_variables:
    if variable.name in ("kernel", "depthwise_kernel"):
        deviation = np.sqrt(2 / np.prod(variable.shape[:-1]))
        variable.assign(random.normal(0, deviation, variable.shape))
model = for_loss(model, ObjectLoss(*anchor_grid(size, strides)))
rate = Schedule(1e-3, 10, 0, "cosine", 0.02)
options = {"ema": 0.9, "clip_norm": 1.0, "decayed": "kernels", "encoder_rate": 0.3}
model.compile(new_optimizer("adamw", rate, 0.05, **options))
for _ in range(3):
    print(float(model.train_on_batch(np.stack(images), target)))
"""


@pytest.fixture(scope="module")
def objects_losses() -> list[float]:
    """The losses of OBJECTS on TensorFlow."""
    return [float(line) for line in run("tensorflow", OBJECTS)]


@pytest.mark.parametrize("name", OTHERS)
def test_objects_have_the_same_losses_on_every_backend(name, objects_losses):
    """The first to 1e-4; later ones differ by the rounding of the steps before."""
    found = [float(line) for line in run(name, OBJECTS)]
    assert found[0] == pytest.approx(objects_losses[0], rel=1e-4)
    assert found[1:] == pytest.approx(objects_losses[1:], rel=1e-3)
    assert found[2] < found[0]


# An epoch of the command, with its report.
EPOCH = """
import sys, kseg
from kseg.data import shapes
shapes.OBJECT_SCENES.update(train=4, val=2, test=1)
small = {"strides": (8,), "width": 4, "size": (64, 64), "batch_size": 2, "epochs": 1}
run = kseg.train("shapes", model="instances", output=sys.argv[1], **small)
print(run.config.task, *run.history[0])
"""


@pytest.mark.parametrize("name", OTHERS)
def test_objects_train_and_validate_on_every_backend(name, tmp_path):
    (line,) = run(name, EPOCH, str(tmp_path / "run"))
    task, *columns = line.split()
    assert task == "instance" and columns[-2:] == ["val_mask_ap", "val_box_ap"]
    assert (tmp_path / "run" / "report.html").is_file()


# Three steps of Fast R-CNN and of R-CNN's network from the same weights, without
# dropout, whose random numbers are each backend's own. Prints the loss of each.
PROPOSALS = """
import keras, numpy as np
from edge.predict.region_boxes import Warper
from kseg.models import build_model
from kseg.training.joint_loss import for_loss
from kseg.training.losses.proposals import ClassLoss, ProposalLoss

random = np.random.RandomState(0)
images = random.uniform(0, 255, (2, 48, 64, 3)).astype(np.float32)
start = random.uniform(0, 40, (2, 6, 2))
boxes = np.concatenate([start, start + random.uniform(4, 24, (2, 6, 2))], -1)
boxes = boxes.astype(np.float32)
target = {
    "classes": np.int32([[0, 1, 3, 2, 0, -1], [2, 0, 0, 1, 1, 3]]),
    "moves": random.normal(0, 1, (2, 6, 4)).astype(np.float32),
}
crops = [Warper(image, 32, 2).crops(each) for image, each in zip(images, boxes)]
cases = [
    ("fast_rcnn", {"strides": (8,)}, ProposalLoss(),
     {"image": images, "proposals": boxes}),
    ("rcnn", {}, ClassLoss(), np.concatenate(crops)),
]
for name, options, loss, given in cases:
    model = build_model(name, 3, width=4, fc_width=16, **options)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            deviation = np.sqrt(2 / np.prod(variable.shape[:-1]))
            variable.assign(random.normal(0, deviation, variable.shape))
    model = for_loss(model, loss)
    model.compile(keras.optimizers.SGD(1e-3))
    for _ in range(3):
        print(float(model.train_on_batch(given, target)))
"""


@pytest.fixture(scope="module")
def proposals_losses() -> list[float]:
    """The losses of PROPOSALS on TensorFlow."""
    return [float(line) for line in run("tensorflow", PROPOSALS)]


@pytest.mark.parametrize("name", OTHERS)
def test_proposals_have_the_same_losses_on_every_backend(name, proposals_losses):
    """The first of each network to 1e-4; later ones differ by rounding."""
    found = [float(line) for line in run(name, PROPOSALS)]
    assert len(found) == 6
    for first in (0, 3):
        assert found[first] == pytest.approx(proposals_losses[first], rel=1e-4)
    assert found == pytest.approx(proposals_losses, rel=2e-3)
    assert found[2] < found[0] and found[5] < found[3]

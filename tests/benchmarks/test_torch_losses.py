"""The PyTorch losses equal those of kseg, on the outputs of equal networks."""

from functools import cache
from math import log

import keras
import numpy as np
import pytest

from benchmarks.torch_losses import LOSSES, object_loss, quality_focal, sample
from benchmarks.torch_model import torch_model
from edge.predict.boxes import anchor_grid
from kseg.data.loading.cell_targets import CellTargets
from kseg.data.sample import Objects
from kseg.models import build_model
from kseg.training.losses.objects import ObjectLoss
from kseg.training.losses.objects import sample as sample_in_keras

CLASSES, STRIDES, SIZE = 3, (4, 8, 16), (48, 64)


@pytest.fixture(scope="module", autouse=True)
def with_torch() -> None:
    """PyTorch is imported by the first test: each worker collects the tests."""
    global torch
    torch = pytest.importorskip("torch", reason="pip install -e '.[torch]'")


def full(boxes: list, class_ids: list, crowd: list) -> Objects:
    """Objects that fill their boxes, which have whole numbers."""
    masks = tuple(np.ones((y1 - y0, x1 - x0), bool) for x0, y0, x1, y1 in boxes)
    return Objects(np.float32(boxes), np.int32(class_ids), np.array(crowd), masks)


def target(masks: bool) -> dict[str, np.ndarray]:
    """The targets of an image with two objects and a crowd, and of one without."""
    makes = CellTargets(SIZE, STRIDES, masks)
    boxes = [(3, 5, 25, 30), (20, 20, 60, 47), (40, 0, 64, 16)]
    objects = full(boxes, [2, 0, 1], [False, False, True])
    each = (makes.of(objects, np.random.default_rng(0)), makes.blank())
    assert {-2, -1, 0, 2} == set(each[0]["classes"].tolist())
    return {name: np.stack([one[name] for one in each]) for name in each[0]}


@cache
def networks(masks: bool = True):
    """A network with random weights, and its copy in PyTorch."""
    keras.utils.set_random_seed(0)
    model = build_model("instances", CLASSES, width=4, strides=STRIDES, masks=masks)
    return model, torch_model(model)


def batch() -> np.ndarray:
    random = np.random.RandomState(1)
    return random.uniform(0, 255, (2, *SIZE, 3)).astype("float32")


def as_torch(x: np.ndarray) -> "torch.Tensor":
    """Images or features with the channels first; rows of cells as they are."""
    return torch.from_numpy(np.moveaxis(x, -1, 1).copy() if x.ndim == 4 else x.copy())


def as_keras(x: "torch.Tensor") -> np.ndarray:
    return np.moveaxis(x.numpy(), 1, -1) if x.ndim == 4 else x.numpy()


def in_torch(arrays: dict) -> dict:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize("masks", (True, False), ids=("masks", "boxes"))
def test_outputs_and_loss_of_equal_weights_are_equal(masks):
    (model, copy), truth = networks(masks), target(masks)
    expected = model(batch(), training=True)
    found = copy(as_torch(batch()))
    assert set(found) == set(expected)
    for role, value in found.items():
        want = np.asarray(expected[role])
        assert np.abs(want).max() > 0.1, role
        size = max(1, np.abs(want).max())
        np.testing.assert_allclose(as_keras(value.detach()), want, atol=1e-4 * size)
    loss = ObjectLoss(*anchor_grid(SIZE, STRIDES))(truth, expected)
    task = "instance" if masks else "detection"
    torch_loss = LOSSES[task]({"strides": STRIDES}, SIZE)
    value = float(torch_loss(found, in_torch(truth)).detach())
    assert value == pytest.approx(float(loss), rel=1e-4)


def test_the_gradients_of_the_outputs_are_equal():
    import tensorflow as tf

    outputs = networks()[0](batch(), training=True)
    outputs = {role: np.asarray(value) for role, value in outputs.items()}
    tensors = {role: tf.constant(value) for role, value in outputs.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = ObjectLoss(*anchor_grid(SIZE, STRIDES))(target(True), tensors)
    expected = tape.gradient(loss, tensors)
    leaves = {role: as_torch(x).requires_grad_() for role, x in outputs.items()}
    object_loss(SIZE, STRIDES)(leaves, in_torch(target(True))).backward()
    for role, leaf in leaves.items():
        found = as_keras(leaf.grad)
        want = tf.convert_to_tensor(expected[role]).numpy()
        assert np.abs(want).max() > 0, role
        np.testing.assert_allclose(found, want, atol=1e-4 * np.abs(want).max())


def test_crops_are_padded_to_the_coarsest_stride():
    """40x64 has the cells of 48x64, as the network pads it."""
    (_, copy), truth = networks(), in_torch(target(True))
    with torch.no_grad():
        outputs = copy(as_torch(batch()))
    padded, exact = (object_loss(size, STRIDES) for size in ((40, 64), SIZE))
    assert float(padded(outputs, truth)) == float(exact(outputs, truth))


def test_quality_focal_by_hand():
    # p = 3/4, y = 1: -log(3/4), times (1/4) squared.
    found = quality_focal(torch.tensor(1.0), torch.tensor(log(3)))
    assert float(found) == pytest.approx(-log(0.75) / 16)


def test_points_are_bilinear_as_in_keras():
    random = np.random.default_rng(0)
    maps = random.normal(size=(2, 3, 5, 7)).astype(np.float32)
    boxes = np.float32([0, 0, 3, 2]) + random.uniform(0, 2, (2, 3, 4))
    boxes = boxes.astype(np.float32)
    found = sample(torch.from_numpy(maps), torch.from_numpy(boxes), 4)
    expected = np.asarray(sample_in_keras(maps, boxes, 4))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)

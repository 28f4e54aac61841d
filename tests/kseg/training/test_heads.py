"""Training with heads that the saved network does not have."""

import shutil

import keras
import numpy as np
import pytest
from tensorflow.python.framework.config import disable_op_determinism

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST, CHECKPOINT, read_record
from kseg.models.layers.norm import as_float32
from kseg.models.saving import load_model
from kseg.training import checkpoint
from kseg.training.fit import compiled_network, fit
from kseg.training.heads import head_parameters
from kseg.training.setup import new_loss, new_network
from tests.kseg.models.test_backends import OTHERS, run
from tests.kseg.training.helpers import outcome

UNET = {"model": "unet", "width": 2}
HEADS = {"auxiliary": 0.4, "boundary": 1.0}
STATEFUL = {
    "noise": 0.02,
    "ema": 0.8,
    "deterministic": True,
    "save_seconds": 0.0,
    "epochs": 2,
}


def batch(size=(32, 32)):
    random = np.random.RandomState(0)
    mask = np.repeat(np.repeat(random.randint(0, 3, (2, 4, 4)), 8, 1), 8, 2)
    return random.uniform(0, 255, (2, *size, 3)).astype("float32"), mask.astype("uint8")


@pytest.fixture(scope="module")
def model(tiny):
    config = TrainConfig(**UNET, **HEADS, ema=0.5, warmup_steps=0)
    return compiled_network(config, tiny, 2, new_loss(config, tiny))


def test_the_saved_network_is_the_one_without_heads(model, tiny):
    plain = new_network(TrainConfig(**UNET), tiny)
    saved = as_float32(model)
    assert [x.name for x in saved.layers] == [x.name for x in plain.layers]
    parameters = plain.count_params()
    assert model.count_params() == parameters + head_parameters(model)
    for kind in ("weights", "trainable_weights"):
        ours, theirs = getattr(model, kind), getattr(saved, kind)
        assert [x.path for x in ours[: len(theirs)]] == [x.path for x in theirs]


@pytest.mark.slow
def test_a_step_trains_heads_and_network(model):
    before = [np.array(weight) for weight in model.trainable_weights]
    image, mask = batch()
    total, mean_iou = (float(x) for x in model.train_on_batch(image, mask))
    model.reset_metrics()
    assert total > float(model.evaluate(image, mask, verbose=0)[0]) > 0
    assert 0 <= mean_iou <= 1
    changed = [
        not np.array_equal(old, new)
        for old, new in zip(before, model.trainable_weights, strict=True)
    ]
    assert all(changed[-12:]) and sum(changed) > 0.9 * len(changed)
    saved = as_float32(model)
    model.optimizer.average_into(saved.trainable_variables)  # as for --ema


def test_batch_norms_of_heads_average_over_as_many_steps(model):
    momenta = {
        layer.momentum
        for layer in model.with_heads.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert momenta == {0.9}


@pytest.fixture(scope="module")
def steps_of_a_run(train, tmp_path_factory):
    """A run of two epochs of two steps, and the checkpoint after each of its steps."""
    folder = tmp_path_factory.mktemp("heads") / "complete"
    checkpoints, save = {}, checkpoint.save

    def recording(path, network, state):
        save(path, network, state)
        checkpoints[state.step] = path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", recording)
        train(folder, **UNET, **HEADS, **STATEFUL)
    yield folder, checkpoints
    disable_op_determinism()  # it is a setting of the process


@pytest.mark.slow
def test_a_resumed_run_ends_bit_equal(steps_of_a_run, tiny, tiny_config, tmp_path):
    """After the third step: in the middle of the second epoch."""
    complete, checkpoints = steps_of_a_run
    shutil.copytree(complete, tmp_path, dirs_exist_ok=True)
    (tmp_path / CHECKPOINT).write_bytes(checkpoints[3])
    config = tiny_config(tmp_path, **UNET, **HEADS, **STATEFUL, resume=True)
    assert not fit(config, tiny, tmp_path)
    expected, found = outcome(complete), outcome(tmp_path)
    assert [name for name in expected if expected[name] != found[name]] == []


@pytest.mark.slow
def test_a_run_has_the_plain_network(steps_of_a_run, tiny):
    folder = steps_of_a_run[0]
    plain = new_network(TrainConfig(**UNET), tiny)
    model = load_model(folder / BEST)
    assert [x.name for x in model.layers] == [x.name for x in plain.layers]
    assert read_record(folder)["parameters"] == plain.count_params()
    # And it gives the initial weights of a training with or without heads.
    for heads in ({}, HEADS):
        config = TrainConfig(**UNET, **heads, init_from=str(folder))
        started = new_network(config, tiny)
        layer = started.get_layer("up1_2_conv")
        expected = model.get_layer("up1_2_conv").get_weights()[0]
        np.testing.assert_array_equal(layer.get_weights()[0], expected)


def test_networks_without_heads_are_refused(tiny):
    for option in ("auxiliary", "boundary"):
        config = TrainConfig(model="dense", **{option: 0.4})
        with pytest.raises(InputError, match=f"--{option}: dense has no .*; use unet"):
            new_network(config, tiny)


# Three steps from the same weights; prints the loss of each.
SCRIPT = """
import keras, numpy as np
from kseg.core.configs import TrainConfig
from kseg.models import build_model
from kseg.training.heads import with_head_losses
from kseg.training.losses.segmentation import SegmentationLoss
from kseg.training.optimizer import Schedule, new_optimizer
from kseg.evaluation.metrics.keras_metrics import MeanIoU

config = TrainConfig(auxiliary=0.4, boundary=1.0)
options = {"heads": config.training_heads, "context": "pyramid"}
model = build_model("unet", 3, width=2, **options)
random = np.random.RandomState(0)
for variable in model.trainable_variables:
    if "kernel" in variable.name:
        deviation = np.sqrt(2 / np.prod(variable.shape[:-1]))
        variable.assign(random.normal(0, deviation, variable.shape))
loss = SegmentationLoss("ce+dice")
model = with_head_losses(model, config, loss)
rate = Schedule(1e-3, 10, 0, "cosine", 0.02)
optimizer = new_optimizer("adamw", rate, 0.05, clip_norm=1.0, ema=0.9)
model.compile(optimizer, loss, metrics=[MeanIoU(3)])
image = random.uniform(0, 255, (4, 64, 80, 3)).astype(np.float32)
mask = random.randint(0, 3, (4, 8, 10)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
mask[:, :6] = 255
for _ in range(3):
    print(float(model.train_on_batch(image, mask)[0]))
"""


@pytest.fixture(scope="module")
def losses() -> list[float]:
    """The losses of SCRIPT on TensorFlow."""
    return [float(line) for line in run("tensorflow", SCRIPT)]


@pytest.mark.parametrize("name", OTHERS)
def test_losses_are_the_same_on_every_backend(name, losses):
    """The first to 1e-4; later ones differ by the rounding of the steps before."""
    found = [float(line) for line in run(name, SCRIPT)]
    assert found[0] == pytest.approx(losses[0], rel=1e-4)
    assert found[1:] == pytest.approx(losses[1:], rel=2e-2)

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from edge.core.errors import InputError
from kseg.core.runs import CHECKPOINT
from kseg.evaluation.metrics.keras_metrics import MeanIoU
from kseg.training.checkpoint import (
    STATE,
    NotFinite,
    TrainingState,
    read,
    restore,
    save,
    variables_of,
)
from kseg.training.optimizer import AdamW
from tests.support.posix import needs_posix

ROOT = Path(__file__).parents[3]
X = np.random.RandomState(0).normal(size=(8, 6, 6, 3)).astype(np.float32)
Y = np.random.RandomState(1).randint(0, 2, (8, 6, 6))


def network(width: int = 4):
    """A network with batch norm, dropout, Adam and averaged weights."""
    x = image = keras.Input((6, 6, 3))
    x = layers.Conv2D(width, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5, seed=3)(x)
    model = keras.Model(image, layers.Conv2D(2, 1)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = AdamW(0.1, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, loss, metrics=[MeanIoU(2)])
    model.optimizer.build(model.trainable_variables)
    return model


def step(model) -> float:
    return float(model.train_on_batch(X, Y)[0])


def values(model) -> list[np.ndarray]:
    kinds = variables_of(model).values()
    return [keras.ops.convert_to_numpy(v) for kind in kinds for v in kind]


def test_a_restored_network_continues_exactly(tmp_path):
    path, model = tmp_path / CHECKPOINT, network()
    step(model)
    line = {"epoch": 1, "loss": 0.5}
    save(path, model, TrainingState({"config": {}}, 7, 1.5, [line]))
    assert read(path) == TrainingState({"config": {}}, 7, 1.5, [line])
    step(model)
    other = network()
    step(other)  # builds the metrics; all its effects are overwritten
    restore(path, other, "weights", "optimizer", "metrics")
    step(other)
    for ours, theirs in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_dropout_continues_its_random_sequence(tmp_path):
    """The random state is restored with the weights."""
    path, model = tmp_path / CHECKPOINT, network()
    save(path, model, TrainingState({}))
    expected = [step(model), step(model)]
    other = network()
    step(other)
    restore(path, other, "weights", "optimizer")
    assert [step(other), step(other)] == expected


def test_the_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / CHECKPOINT
    save(path, network(), TrainingState({}))
    with pytest.raises(InputError, match="the weights do not fit this network"):
        restore(path, network(width=5), "weights")


@pytest.mark.parametrize("kind", ["weights", "optimizer"])
def test_values_that_are_not_finite_keep_the_previous_checkpoint(kind, tmp_path):
    path, model = tmp_path / CHECKPOINT, network()
    save(path, model, TrainingState({}, step=1))
    before = path.read_bytes()
    variable = variables_of(model)[kind][-1 if kind == "optimizer" else 0]
    variable.assign(keras.ops.full(variable.shape, np.inf, variable.dtype))
    with pytest.raises(NotFinite, match=f"the {kind} are not finite"):
        save(path, model, TrainingState({}, step=2))
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*part*"))


def test_the_nan_of_an_older_version_is_read_as_none(tmp_path):
    path = tmp_path / CHECKPOINT
    text = (
        '{"record": {}, "history": [{"epoch": 1, "loss": NaN, "val_loss": Infinity}]}'
    )
    np.savez(path.with_suffix(""), **{STATE: np.frombuffer(text.encode(), np.uint8)})
    assert read(path).history == [{"epoch": 1, "loss": None, "val_loss": None}]


@pytest.mark.parametrize("length", [0, 100, -200])
def test_the_error_for_a_damaged_checkpoint_is_one_line(tmp_path, length):
    path = tmp_path / CHECKPOINT
    save(path, network(), TrainingState({}))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="checkpoint.npz: is damaged") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_the_error_for_a_missing_checkpoint_is_one_line(tmp_path):
    with pytest.raises(InputError, match="not found, so the run cannot be resumed"):
        read(tmp_path / CHECKPOINT)


@pytest.mark.slow
@needs_posix
def test_without_space_the_previous_checkpoint_is_kept(data_folder, tmp_path):
    """The system limits files of the child to 120 kB, less than any model here.

    Its steps continue; the end of the epoch, which must be saved, fails with one line.
    """
    import resource

    path = tmp_path / CHECKPOINT
    save(path, network(), TrainingState({"config": {"seed": 1}}, step=3))
    before = path.read_bytes()
    assert len(before) < 120_000
    arguments = ["--data", str(data_folder), "--output", str(tmp_path), "--overwrite"]
    small = ["--width", "4", "--size", "64x64", "--batch-size", "4", "--epochs", "1"]
    process = subprocess.run(
        [sys.executable, "-m", "kseg.train", *arguments, *small, "--save-seconds", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (120_000,) * 2),
    )
    lines = process.stderr.strip().splitlines()
    assert process.returncode == 2, process.stderr
    for number in (1, 2, 3):
        assert any(f"step {number} is not saved" in line for line in lines), lines
    assert "(ulimit -f) and continue with --resume" in lines[-1]
    assert "Traceback" not in process.stderr
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*part*"))

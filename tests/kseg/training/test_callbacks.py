import csv
from collections.abc import Callable

import keras
import numpy as np
import pytest

from edge.core.errors import GateFailed
from edge.model_file.info import ModelInfo
from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST, CHECKPOINT, CONFIG, HISTORY, LAST, read_history
from kseg.models.layers.norm import as_float32
from kseg.models.saving import load_model
from kseg.training.callbacks import RunSaver, tensorboard_writer
from kseg.training.checkpoint import TrainingState, read
from kseg.training.late_logs import LateLogs
from kseg.training.optimizer import AdamW
from tests.kseg.training.helpers import files_of

HEADLINE = "box_ap"


def scalars(folder, tag: str) -> dict[int, float]:
    """Values by step, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder)).Reload().Tensors(tag)
    return {event.step: float(make_ndarray(event.tensor_proto)) for event in events}


@pytest.mark.parametrize("part, prefix", [("train", ""), ("validation", "val_")])
@pytest.mark.parametrize("name", ["loss", "mean_iou"])
def test_tensorboard_shows_the_history(trained, part, prefix, name):
    with (trained / "history.csv").open() as file:
        lines = list(csv.DictReader(file))
    expected = {i: float(line[prefix + name]) for i, line in enumerate(lines)}
    found = scalars(trained / "tensorboard" / part, f"epoch_{name}")
    assert found == pytest.approx(expected, rel=1e-6) and len(found) == 2


def test_events_of_a_resumed_run_are_appended(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    pair = np.ones((4, 1)), np.zeros((4, 1))
    for begin, end in ((0, 2), (2, 3)):
        epochs = {"initial_epoch": begin, "epochs": end, "verbose": 0}
        model.fit(*pair, callbacks=[tensorboard_writer(tmp_path)], **epochs)
    found = scalars(tmp_path / "tensorboard" / "train", "epoch_loss")
    assert sorted(found) == [0, 1, 2]
    assert found[0] > found[1] > found[2]


# --- another headline, and a network with two outputs ---


def two_outputs() -> keras.Model:
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(2, 1, name="mask")(image)
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    value = keras.layers.Dense(1, name="value")(mean)
    return keras.Model(image, {"mask": x, "value": value})


def saver_of(model, folder, scores, **options) -> RunSaver:
    """A RunSaver whose validations return these scores, one after the other."""
    remaining = iter(scores)
    config = TrainConfig(output=str(folder), **options)
    return RunSaver(
        as_float32(model),
        folder,
        ModelInfo(("a", "b"), ((0, 0, 0), (9, 9, 9))),
        TrainingState({"config": {}}),
        steps=2,
        validate=lambda: {HEADLINE: next(remaining), "mean_iou": 0.5},
        headline=HEADLINE,
        config=config,
        every=config.validate_every or 1,
    )


def fit_two(
    folder, scores, epochs, callbacks=(), **options
) -> tuple[keras.Model, RunSaver]:
    keras.utils.set_random_seed(0)
    model = two_outputs()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(AdamW(0.1, use_ema=True), {"mask": loss, "value": "mse"})
    random = np.random.RandomState(0)
    image = random.uniform(size=(8, 4, 4, 3)).astype(np.float32)
    target = {"mask": random.randint(0, 2, (8, 4, 4)), "value": np.ones((8, 1))}
    saver = saver_of(model, folder, scores, **options)
    callbacks = [saver, *(make(saver) for make in callbacks)]
    callbacks = LateLogs(callbacks, add_history=True, model=model)
    model.fit(
        image, target, batch_size=4, epochs=epochs, callbacks=callbacks, verbose=0
    )
    return model, saver


def test_best_epoch_and_patience_depend_on_the_headline(tmp_path):
    scores = (0.2, 0.6, 0.5, 0.4, 0.9)
    _, saver = fit_two(tmp_path, scores, epochs=5, patience=2)
    lines = read_history(tmp_path / HISTORY)
    assert [line[f"val_{HEADLINE}"] for line in lines] == [0.2, 0.6, 0.5, 0.4]
    assert saver.done and not saver.stopped
    best, last = (load_model(tmp_path / name) for name in (BEST, LAST))
    kept = [weight.tolist() for weight in saver.network.get_weights()]
    assert [weight.tolist() for weight in last.get_weights()] == kept
    assert [weight.tolist() for weight in best.get_weights()] != kept
    assert set(best.output) == {"mask", "value"}
    assert {"mask_loss", "value_loss"} <= set(lines[0])


def saved_steps(folder) -> tuple[list, Callable]:
    """A list, and what adds the step of the checkpoint to it after each epoch."""
    steps: list[int] = []

    def note(epoch, logs=None) -> None:
        steps.append(read(folder / CHECKPOINT).step)

    return steps, lambda _: keras.callbacks.LambdaCallback(on_epoch_end=note)


@pytest.mark.parametrize(
    ("seconds", "saved"), [(60.0, [2, 4, 4, 8]), (1e-9, [2, 4, 6, 8])]
)
def test_an_epoch_without_validation_saves_when_it_is_due(seconds, saved, tmp_path):
    steps, noting = saved_steps(tmp_path)
    options = {"validate_every": 2, "save_seconds": seconds}
    _, saver = fit_two(tmp_path, (0.2, 0.6, 0.5), 4, [noting], **options)
    rows = saver.state.history
    assert [row[f"val_{HEADLINE}"] for row in rows] == [0.2, 0.6, None, 0.5]
    assert steps == saved


def stopping(step: int) -> Callable:
    """Makes a callback that stops within this step, as Ctrl-C does."""

    def make(saver):
        def stop(batch, logs=None):
            if saver.state.step == step - 1:
                saver.stop()

        return keras.callbacks.LambdaCallback(on_train_batch_begin=stop)

    return make


def test_ctrl_c_at_the_end_of_an_epoch_without_validation_saves_it(tmp_path):
    fit_two(tmp_path, (0.2, 0.6), 9, [stopping(6)], validate_every=2)
    assert len(read_history(tmp_path / HISTORY)) == 3
    assert read(tmp_path / CHECKPOINT).step == 6


def test_ctrl_c_while_an_epoch_without_validation_ends_saves_its_checkpoint(tmp_path):
    def stopping_late(saver):
        make = saver.history_row

        def row(epoch, logs):
            if epoch == 2:
                saver.stop()
            return make(epoch, logs)

        saver.history_row = row
        return keras.callbacks.Callback()

    fit_two(tmp_path, (0.2, 0.6), 9, [stopping_late], validate_every=2)
    assert len(read_history(tmp_path / HISTORY)) == 3
    assert read(tmp_path / CHECKPOINT).step == 6


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (1, "epoch 1, step 1 of 2: the loss is nan"),
        (3, "epoch 2, step 1 of 2: the loss is nan"),
    ],
)
def test_ctrl_c_in_a_step_that_is_not_finite_changes_no_file(step, message, tmp_path):
    """As when it comes in the next step; in the first epoch of a run that replaces."""

    def spoiling(saver):
        def spoil(batch, logs=None):
            if saver.state.step == step - 1:
                weights = saver.model.get_weights()
                saver.model.set_weights([weight * np.nan for weight in weights])
                saver.stop()

        return keras.callbacks.LambdaCallback(on_train_batch_begin=spoil)

    fit_two(tmp_path, (0.2, 0.6), 2)
    before = files_of(tmp_path)
    with pytest.raises(GateFailed, match=message):
        fit_two(tmp_path, (0.3, 0.4), 2, [spoiling])
    after = files_of(tmp_path)
    if step == 1:
        assert after == before
    else:  # the first epoch of the second run is saved
        assert read(tmp_path / CHECKPOINT).step == 2


def test_ctrl_c_in_the_first_epoch_leaves_no_network_of_the_run_before(tmp_path):
    fit_two(tmp_path, (0.2, 0.6), 2)
    fit_two(tmp_path, (), 2, [stopping(1)])
    assert set(files_of(tmp_path)) == {BEST, CHECKPOINT, CONFIG}


def test_a_failure_names_the_epoch_that_is_saved(tmp_path):
    with pytest.raises(GateFailed, match="has the model of epoch 2, .* from step 4"):
        fit_two(tmp_path, (0.2, 0.6, float("nan")), 9, validate_every=2)


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_headline_that_is_not_finite_ends_training(score, tmp_path):
    with pytest.raises(GateFailed, match=f"epoch 2: val_{HEADLINE} is {score}; "):
        fit_two(tmp_path, (0.5, score), epochs=3)
    assert len(read_history(tmp_path / HISTORY)) == 1
    assert read(tmp_path / CHECKPOINT).step == 2

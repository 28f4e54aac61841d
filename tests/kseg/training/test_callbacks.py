import csv

import keras
import numpy as np
import pytest

from kseg.training.callbacks import best_of, event_writer, patience_ended


def history(*values: float) -> list[dict]:
    return [{"val_mean_iou": value} for value in values]


def test_the_best_of_nothing_is_below_all():
    assert best_of([]) < 0
    assert best_of(history(0.2, 0.5, 0.4)) == 0.5


@pytest.mark.parametrize(
    ("values", "patience", "ended"),
    [
        ((), 1, False),
        ((0.5,), 1, False),
        ((0.5, 0.4), 1, True),
        ((0.5, 0.5), 1, True),  # as good is not better
        ((0.5, 0.4, 0.6), 2, False),
        ((0.5, 0.4, 0.3), 2, True),
        ((0.5, 0.4, 0.3, 0.2), 0, False),  # 0 waits for ever
    ],
)
def test_patience_counts_epochs_without_a_better_one(values, patience, ended):
    assert patience_ended(history(*values), patience) == ended


def scalars(folder, tag: str) -> dict[int, float]:
    """What TensorBoard itself reads: step -> value."""
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


def test_events_go_on_where_a_resumed_run_does(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    pair = np.ones((4, 1)), np.zeros((4, 1))
    for begin, end in ((0, 2), (2, 3)):
        epochs = {"initial_epoch": begin, "epochs": end, "verbose": 0}
        model.fit(*pair, callbacks=[event_writer(tmp_path)], **epochs)
    found = scalars(tmp_path / "tensorboard" / "train", "epoch_loss")
    assert sorted(found) == [0, 1, 2]
    assert found[0] > found[1] > found[2]

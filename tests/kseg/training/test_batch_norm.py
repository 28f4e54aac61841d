"""The statistics of batch normalization in the saved model."""

import json
import shutil

import keras
import numpy as np
import pytest
from tensorflow.python.framework.config import disable_op_determinism

from edge.core.errors import InputError
from kseg.core.runs import BEST, CHECKPOINT, LAST
from kseg.models.saving import load_model
from kseg.reporting.run_report import write_run_report
from kseg.training import checkpoint
from kseg.training.batch_norm import combined, refresher
from kseg.training.checkpoint import NotFinite
from kseg.training.fit import fit
from tests.kseg.models.test_backends import run
from tests.kseg.training.conftest import objects_config, objects_data
from tests.kseg.training.helpers import outcome
from tests.kseg.training.test_fit import lines_of

EXACT = {"ema": 0.8, "deterministic": True, "epochs": 2, "save_seconds": 0.0}


def test_moments_of_two_batches_by_hand():
    """1, 3 and 5, 7, 9: the mean is 25 / 5, the squares are 16, 4, 0, 4, 16."""
    first, second = np.array([[2.0], [1.0]]), np.array([[7.0], [8 / 3]])
    found = combined([first, second], [2, 3])
    assert found.ravel().tolist() == pytest.approx([5, 40 / 5], abs=1e-12)


def network() -> keras.Model:
    """Two batch normalizations of one channel, the first of the image itself."""
    image = keras.Input((None, None, 1))
    first = keras.layers.BatchNormalization(name="first", epsilon=0.0)
    second = keras.layers.BatchNormalization(name="second")
    x = keras.layers.Dropout(0.5)(first(image))
    return keras.Model(image, second(keras.layers.Rescaling(3.0, 1.0)(x)))


def pixels(*values: float) -> np.ndarray:
    """Images of one pixel."""
    return np.float32(values).reshape(-1, 1, 1, 1)


def statistics(model: keras.Model, name: str) -> list[float]:
    layer = model.get_layer(name)
    return [layer.moving_mean.numpy().item(), layer.moving_variance.numpy().item()]


def test_statistics_are_those_of_all_values_without_dropout():
    """Normalized by its batch, each batch has the mean 0 and the variance 1."""
    model = network()
    refresher(model, lambda: [pixels(1, 3), pixels(5, 7, 9)])()
    assert statistics(model, "first") == pytest.approx([5, 8])
    assert statistics(model, "second") == pytest.approx([1, 9], rel=1e-5)


def test_statistics_follow_the_weights():
    model = network()
    refresh = refresher(model, lambda: [pixels(1, 3)])
    model.get_layer("first").gamma.assign([2.0])
    model.get_layer("first").beta.assign([5.0])
    refresh()
    assert statistics(model, "second") == pytest.approx([16, 36], rel=1e-5)


def test_a_layer_that_is_not_trained_keeps_its_statistics():
    model = network()
    model.get_layer("first").trainable = False
    refresher(model, lambda: [pixels(1, 3)])()
    assert statistics(model, "first") == [0, 1]
    assert statistics(model, "second") == pytest.approx([7, 9])


def test_statistics_that_are_not_finite_are_refused():
    with pytest.raises(NotFinite, match="normalization first is not finite"):
        refresher(network(), lambda: [pixels(1, np.inf)])()


def test_a_network_without_batch_normalization_is_refused():
    image = keras.Input((None, None, 1))
    with pytest.raises(InputError, match="norm: the network has no .*; leave it out"):
        refresher(keras.Model(image, keras.layers.ReLU()(image)), lambda: [])


@pytest.fixture(scope="module")
def runs(train, tmp_path_factory):
    """A run without and one with the option, and the checkpoint after its step 1."""
    folder, saved = tmp_path_factory.mktemp("refreshed"), {}
    save = checkpoint.save

    def recording(path, model, state):
        save(path, model, state)
        saved[path.parent.name, state.step] = path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", recording)
        plain = train(folder / "plain", **EXACT)
        fresh = train(folder / "fresh", **EXACT, refresh_batch_norm=6)
    yield plain, fresh, saved["fresh", 1]
    disable_op_determinism()


def test_the_saved_model_alone_changes(runs):
    """The training goes on as without the option, bit for bit."""
    plain, fresh = map(outcome, runs[:2])
    differing = {name for name in plain if plain[name] != fresh[name]}
    assert differing <= {BEST, LAST, "history.csv"} and {LAST} <= differing
    ours, theirs = (load_model(folder / LAST) for folder in runs[:2])
    for layer, other in zip(ours.layers, theirs.layers, strict=True):
        for weight, same in zip(layer.weights, other.weights, strict=True):
            equal = np.array_equal(weight.numpy(), same.numpy())
            assert equal != ("moving" in weight.path), weight.path


def test_evaluation_gives_what_was_validated(runs, tiny, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs[1], folder)
    best = max(float(line["val_mean_iou"]) for line in lines_of(folder))
    found = write_run_report(tiny, folder)["mean_iou"]
    assert found == pytest.approx(best, abs=2e-4)


@pytest.mark.slow
def test_a_resumed_run_ends_bit_equal(runs, tiny, tiny_config, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(runs[2])
    config = tiny_config(tmp_path, **EXACT, refresh_batch_norm=6, resume=True)
    assert not fit(config, tiny, tmp_path)
    expected, found = outcome(runs[1]), outcome(tmp_path)
    assert [name for name in expected if expected[name] != found[name]] == []
    record = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert record["config"]["refresh_batch_norm"] == 6


@pytest.mark.slow
def test_a_network_of_objects(tmp_path):
    config = objects_config(output=str(tmp_path), refresh_batch_norm=5)
    assert not fit(config, objects_data(), tmp_path)
    model = load_model(tmp_path / BEST)
    layers = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    # Three steps of momentum 0.9 would leave most of the first variance, 1.
    assert all(np.abs(x.moving_variance.numpy() - 1).min() > 1e-6 for x in layers)


# The statistics of two batches, as a test above has them.
BACKEND = """
import keras
from tests.kseg.training.test_batch_norm import network, pixels
from kseg.training.batch_norm import refresher
model = network()
refresher(model, lambda: [pixels(1, 3), pixels(5, 7, 9)])()
for name in ("first", "second"):
    layer = model.get_layer(name)
    for value in (layer.moving_mean, layer.moving_variance):
        print(keras.ops.convert_to_numpy(value).item())
"""


@pytest.mark.full
@pytest.mark.parametrize("name", ("jax", "torch"))
def test_statistics_on_other_backends(name):
    found = [float(line) for line in run(name, BACKEND)]
    assert found == pytest.approx([5, 8, 1, 9], rel=1e-4)

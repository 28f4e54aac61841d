"""Training from the weights of another run, with a frozen encoder or all layers."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST, LAST
from kseg.models.saving import load_model, save_model
from kseg.training.setup import new_network
from tests.kseg.training import conftest
from tests.kseg.training.helpers import (
    assert_equal_weights,
    inside_encoder,
    weights_of,
)

# Nearest upsampling by 2 and then by 16 equals upsampling by 32: while the scores of
# the new skip connection are zero, the finer network gives the result of the coarser.
FCN = {name: conftest.FCN[name] for name in ("upsampling", "width", "fc_width")}


def test_a_frozen_encoder_does_not_change(coarse, finer):
    before, after = (load_model(run / LAST) for run in (coarse, finer))
    assert_equal_weights(after, before, inside_encoder(after))


def test_layers_after_a_frozen_encoder_are_trained(coarse, finer):
    before, after = (weights_of(load_model(run / LAST)) for run in (coarse, finer))
    learned = {name for name in before if name.startswith(("fc", "score32"))}
    assert learned and learned <= set(after)
    for name in learned:
        assert not np.array_equal(before[name], after[name]), name
    assert np.abs(after["score16/0"]).max() > 0  # initialized with zeros


def logits_of(model, image):
    return model.predict(image[None].astype(np.float32), verbose=0)[0]


@pytest.mark.parametrize(("model", "skip"), [("fcn16s", "16"), ("fcn8s", "8")])
def test_a_finer_network_starts_with_the_result_of_the_coarser(
    model, skip, coarse, finer, tiny, capsys
):
    run = coarse if model == "fcn16s" else finer
    start = load_model(run / BEST)
    network = new_network(TrainConfig(model=model, init_from=str(run), **FCN), tiny)
    assert_equal_weights(network, start, weights_of(start))
    added = {f"score{skip}/0", f"score{skip}/1"}
    assert set(weights_of(network)) - set(weights_of(start)) == added
    assert f"weights from {run}; new layers: score{skip}\n" in capsys.readouterr().err
    image, _ = tiny.split("val").read(0)
    expected = logits_of(start, image)
    assert np.std(expected) > 1e-3
    np.testing.assert_allclose(logits_of(network, image), expected, atol=1e-5)


def test_new_upsampling_layers_keep_their_initial_weights(coarse, finer, tiny, capsys):
    learned = {**FCN, "upsampling": "transposed"}
    for run, model, new in (
        (coarse, "fcn16s", "up16, score16, score_up"),
        (finer, "fcn8s", "up16, up8, score8, score_up"),  # its up16 has no weights
    ):
        config = TrainConfig(model=model, init_from=str(run), **learned)
        network, start = new_network(config, tiny), load_model(run / BEST)
        assert f"new layers: {new}\n" in capsys.readouterr().err
        assert_equal_weights(network, start, weights_of(start))


def test_score_layers_of_other_classes_keep_their_initial_weights(coarse, tiny, capsys):
    fewer = replace(tiny, class_names=tiny.class_names[:3], colors=tiny.colors[:3])
    config = TrainConfig(model="fcn32s", init_from=str(coarse), **FCN)
    network, start = new_network(config, fewer), load_model(coarse / BEST)
    assert network.output_shape[-1] == 3
    assert "new layers: score32\n" in capsys.readouterr().err
    same = {name for name in weights_of(start) if not name.startswith("score")}
    assert_equal_weights(network, start, same)


@pytest.mark.parametrize(
    ("model", "score"),
    [
        ("unet_paper", "logits"),
        ("patch", "score"),
        ("dense", "score"),
        ("segnet", "score"),
        ("hypercolumn", "score"),
    ],
)
def test_each_network_can_start_with_other_classes(
    model, score, tiny, tmp_path, capsys
):
    path = tmp_path / BEST
    config = TrainConfig(model=model, width=4)
    first = new_network(config, tiny)
    save_model(first, path, tiny.info)
    fewer = replace(tiny, class_names=tiny.class_names[:3], colors=tiny.colors[:3])
    network = new_network(replace(config, init_from=str(path), seed=1), fewer)
    assert f"new layers: {score}\n" in capsys.readouterr().err
    same = {name for name in weights_of(first) if not name.startswith(score)}
    assert_equal_weights(network, first, same)


def test_another_decoder_copies_only_the_encoder(coarse, tiny):
    config = TrainConfig(model="unet", init_from=str(coarse), width=4)
    network, start = new_network(config, tiny), load_model(coarse / BEST)
    assert_equal_weights(network, start, inside_encoder(network))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": "alexnet", "width": None}, "encoder_conv1_conv is missing there"),
        ({"width": 6}, r"encoder_down1_1_conv has the shape \(3, 3, 3, 4\) there"),
        ({"fc_width": 9}, r"fc6_conv has the shape \(3, 3, 64, 8\) there"),
    ],
    ids=["encoder", "width", "fc_width"],
)
def test_a_run_of_another_network_is_refused(coarse, tiny, change, message):
    config = TrainConfig(model="fcn16s", init_from=str(coarse), **{**FCN, **change})
    with pytest.raises(InputError, match=f"a different network: {message}.*") as caught:
        new_network(config, tiny)
    assert str(coarse) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_a_keras_model_is_refused(tiny, tmp_path):
    path = tmp_path / "int8.tflite"
    path.write_bytes(b"TFL3")
    with pytest.raises(InputError, match="int8.tflite: not a Keras model"):
        new_network(TrainConfig(init_from=str(path)), tiny)

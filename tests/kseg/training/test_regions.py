"""Training of networks of regions as a whole, in a tiny form."""

import shutil

import numpy as np
import pytest
from tensorflow.python.framework.config import disable_op_determinism

from kseg.core.runs import BEST, CHECKPOINT, HISTORY, LAST, read_history
from kseg.data.one_class import data_for
from kseg.evaluation.loop import evaluate
from kseg.evaluation.objects import ObjectEvaluator
from kseg.evaluation.open import open_predictor
from kseg.models.saving import load_model
from kseg.training import checkpoint
from kseg.training.fit import compiled_network, fit
from kseg.training.setup import new_loss, new_network
from tests.kseg.training.conftest import objects_config, objects_data
from tests.kseg.training.helpers import outcome, weights_of

TINY = {"model": "mask_rcnn", "fc_width": 16, "batch_size": 2, "size": (32, 32)}
STATEFUL = {
    **TINY,
    **{"ema": 0.8, "encoder_rate": 0.3, "deterministic": True, "flip_vertical": True},
    **{"save_seconds": 0.0, "epochs": 2, "learning_rate": 1e-2},
}


def counts():
    return {"train": 4, "val": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs of two steps, and the checkpoint after each step."""
    folder = tmp_path_factory.mktemp("regions") / "run"
    checkpoints, save = {}, checkpoint.save

    def recording(path, model, state):
        save(path, model, state)
        checkpoints[state.step] = path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", recording)
        assert not fit(objects_config(**STATEFUL), objects_data(**counts()), folder)
    yield folder, checkpoints
    disable_op_determinism()  # it is a setting of the process


@pytest.mark.slow
def test_every_weight_is_trained_and_saved_once(run):
    """Of the whole network: also of the heads, which the loss runs."""
    first = weights_of(new_network(objects_config(**STATEFUL), objects_data()))
    model = load_model(run[0] / LAST)
    last = weights_of(model)
    assert set(first) == set(last) and len(last) == len(model.weights)
    trained = [
        f"{layer.name}/{index}"
        for layer in model.layers
        for index, weight in enumerate(layer.weights)
        if weight.trainable
    ]
    assert {"fc6/0", "score_box/0", "score_mask/1"} <= set(trained)
    same = [name for name in trained if (first[name] == last[name]).all()]
    assert same == []
    with np.load(run[0] / CHECKPOINT) as arrays:
        saved = [name for name in arrays.files if name.startswith("weights/")]
    assert len(saved) == len(last)


@pytest.mark.slow
def test_the_history_has_masks_and_boxes(run):
    for line in read_history(run[0] / HISTORY):
        assert 0 < line["loss"] < 20 and line["val_mask_ap"] >= 0


@pytest.mark.slow
def test_a_resumed_run_ends_bit_equal(run, tmp_path):
    """After the third step: in the middle of the second epoch."""
    complete, checkpoints = run
    shutil.copytree(complete, tmp_path, dirs_exist_ok=True)
    (tmp_path / CHECKPOINT).write_bytes(checkpoints[3])
    config = objects_config(**STATEFUL, resume=True)
    assert not fit(config, objects_data(**counts()), tmp_path)
    expected, found = outcome(complete), outcome(tmp_path)
    assert [name for name in expected if expected[name] != found[name]] == []


@pytest.mark.slow
def test_validation_equals_an_evaluation_of_the_saved_model(run):
    folder, data = run[0], objects_data(**counts())
    evaluator = ObjectEvaluator(data.class_names, masks=True)
    evaluate(open_predictor(folder / LAST), data.split("val"), evaluator)
    metrics, line = evaluator.metrics(), read_history(folder / HISTORY)[-1]
    for name in ("mask_ap", "box_ap"):
        assert line[f"val_{name}"] == pytest.approx(metrics[name], abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ("float32", "bfloat16"))
def test_proposals_alone_have_one_class(precision, tmp_path):
    data = data_for("rpn", objects_data("detection", **counts()))
    config = objects_config("detection", **{**TINY, "model": "rpn"})
    assert not fit(config, data, tmp_path)
    predictor = open_predictor(tmp_path / BEST)
    assert predictor.info.class_names == ("object",)
    found = predictor.predict(data.split("val").read(0).image)
    assert not found.class_ids.any()


@pytest.mark.slow
def test_the_loss_of_boxes_has_no_masks():
    config = objects_config("detection", **{**TINY, "model": "faster_rcnn"})
    data = objects_data("detection", **counts())
    loss = new_loss(config, data)
    model = compiled_network(config, data, 2, loss)
    assert loss.mask_head is None and set(model.output) >= {"boxes", "scores"}

"""Training of objects as a whole: what semantic training does holds here too."""

import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest
from tensorflow.python.framework.config import disable_op_determinism

from edge.core.errors import GateFailed, InputError
from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST, CHECKPOINT, HISTORY, LAST, read_history
from kseg.data.objects import no_objects
from kseg.data.sample import Sample
from kseg.data.shapes import ObjectShapesSplit
from kseg.evaluation.loop import evaluate
from kseg.evaluation.objects import ObjectEvaluator
from kseg.evaluation.open import open_predictor
from kseg.models.saving import load_model
from kseg.training import checkpoint
from kseg.training.fit import fit
from kseg.training.objects import some_images
from kseg.training.setup import check_task, new_network
from tests.kseg.training.conftest import objects_config, objects_data
from tests.kseg.training.helpers import (
    assert_equal_weights,
    epochs_of,
    inside_encoder,
    outcome,
    weights_of,
)

# Options with random numbers or state; every change of an image that objects have.
STATEFUL = {
    **{"rotate": 20.0, "flip_vertical": True, "color": 0.3, "cutout": 0.2},
    **{"blur": 1.0, "noise": 0.02, "mosaic": 0.5, "paste": 0.5},
    **{"ema": 0.8, "encoder_rate": 0.3, "deterministic": True},
    **{"save_seconds": 0.0, "epochs": 3},
}


@pytest.fixture(scope="module")
def stateful(tmp_path_factory):
    """A run of three epochs of two steps, and the checkpoint after each step."""
    folder = tmp_path_factory.mktemp("objects") / "run"
    checkpoints, save = {}, checkpoint.save

    def recording(path, model, state):
        save(path, model, state)
        checkpoints[state.step] = path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", recording)
        assert not fit(objects_config(**STATEFUL), objects_data(), folder)
    yield folder, checkpoints
    disable_op_determinism()  # it is a setting of the process


def test_the_columns_of_the_history_and_the_last_rate(stateful):
    lines = read_history(stateful[0] / HISTORY)
    values = ["loss", "val_mask_ap", "val_box_ap"]
    assert list(lines[0]) == ["epoch", "seconds", "learning_rate", *values]
    assert lines[2]["learning_rate"] == pytest.approx(0.02 * 4e-3, rel=1e-4)
    assert all(0 < line["loss"] < 5 for line in lines)
    validated = [not np.isnan(line["val_mask_ap"]) for line in lines]
    assert validated == [True, False, True]  # the first, the last, every 50th


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 3])
def test_a_resumed_run_ends_bit_equal(step, stateful, tmp_path):
    complete, checkpoints = stateful
    if step > 2:  # the folder has the files of an epoch
        shutil.copytree(complete, tmp_path, dirs_exist_ok=True)
    (tmp_path / CHECKPOINT).write_bytes(checkpoints[step])
    config = objects_config(**STATEFUL, resume=True)
    assert not fit(config, objects_data(), tmp_path)
    expected, found = outcome(complete), outcome(tmp_path)
    assert [name for name in expected if expected[name] != found[name]] == []


def test_validation_equals_an_evaluation_of_the_saved_model(stateful):
    """Also with averaged weights."""
    folder, data = stateful[0], objects_data()
    predictor = open_predictor(folder / LAST)
    evaluator = ObjectEvaluator(data.class_names, masks=True)
    evaluate(predictor, data.split("val"), evaluator)
    metrics, line = evaluator.metrics(), read_history(folder / HISTORY)[-1]
    for name in ("mask_ap", "box_ap"):
        assert line[f"val_{name}"] == pytest.approx(metrics[name], abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "precision", ["float16", pytest.param("bfloat16", marks=pytest.mark.slow)]
)
def test_the_saved_model_of_a_half_precision_run_is_float32(
    precision, tmp_path, capsys
):
    """SGD, and the other schedule, on boxes alone."""
    other = {"optimizer": "sgd", "schedule": "polynomial", "encoder_rate": 0.0}
    config = objects_config("detection", precision=precision, **other)
    assert not fit(config, objects_data("detection"), tmp_path)
    model = load_model(tmp_path / BEST)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert set(model.output) == {"scores", "boxes"}
    (line,) = read_history(tmp_path / HISTORY)
    assert 0 < line["loss"] < 5 and "val_mask_ap" not in line
    assert f"loss {line['loss']:.4f}  val_box_ap 0.0000" in capsys.readouterr().err
    first = new_network(config, objects_data("detection"))
    kernels = [name for name in inside_encoder(first) if "_bn/" not in name]
    assert_equal_weights(model, first, kernels)  # the encoder was frozen


@dataclass(frozen=True)
class BlankSplit(ObjectShapesSplit):
    """Scenes whose objects are not labelled."""

    def read(self, index: int) -> Sample:
        return Sample(super().read(index).image, no_objects(self.masks))


@pytest.mark.slow
def test_patience_ends_a_run_whose_val_images_have_no_objects(
    tmp_path, capsys, monkeypatch
):
    """Its average precision is 0 in every epoch, and one line says why."""
    monkeypatch.setattr("kseg.training.objects.STEPS_BETWEEN", 1)  # each epoch
    data = objects_data("detection", train=4)
    data = replace(data, splits={**data.splits, "val": BlankSplit(1, 2, False)})
    config = objects_config("detection", epochs=5, patience=2)
    assert not fit(config, data, tmp_path)
    assert epochs_of(tmp_path) == [1, 2, 3]
    assert {line["val_box_ap"] for line in read_history(tmp_path / HISTORY)} == {0.0}
    log = capsys.readouterr().err
    assert log.count("shapes: no object is labelled in the val images") == 1


@pytest.mark.slow
def test_training_images_without_objects_have_a_finite_loss(tmp_path):
    data = objects_data("detection", val=1)
    data = replace(data, splits={**data.splits, "train": BlankSplit(0, 4, False)})
    assert not fit(objects_config("detection"), data, tmp_path)
    (line,) = read_history(tmp_path / HISTORY)
    assert 0 <= line["loss"] < 5


@pytest.mark.slow
def test_training_ends_at_the_first_loss_that_is_not_finite(tmp_path):
    exploding = {"optimizer": "sgd", "learning_rate": 1e30, "warmup_steps": 0}
    config = objects_config("detection", batch_size=2, clip_norm=0.0, **exploding)
    with pytest.raises(GateFailed, match="epoch 1, step [23] of 4: the loss is nan"):
        fit(config, objects_data("detection"), tmp_path)
    assert not list(tmp_path.iterdir())


@dataclass(frozen=True)
class DamagedSplit(ObjectShapesSplit):
    """Scenes of which the last cannot be read."""

    def read(self, index: int) -> Sample:
        if index == self.count - 1:
            raise InputError("s7.png: the file is truncated; copy it again")
        return super().read(index)


@pytest.mark.slow
def test_the_error_names_an_image_damaged_during_training(tmp_path):
    data = objects_data("detection")
    data = replace(data, splits={**data.splits, "train": DamagedSplit(0, 8, False)})
    with pytest.raises(InputError, match="^s7.png: the file is truncated"):
        fit(objects_config("detection"), data, tmp_path)


def test_a_size_that_the_network_would_pad_leaves_no_folder(tmp_path):
    config = objects_config("detection", size=(60, 64))
    with pytest.raises(InputError, match="^--size 60x64: .* of 8 pixels .*; use 64x64"):
        fit(config, objects_data("detection"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_validated_images_are_spread_over_the_split():
    split = ObjectShapesSplit(1, 9)
    some = some_images(split, 3)
    assert some.names == ["scene 0", "scene 4", "scene 8"] and len(some.sizes) == 3
    np.testing.assert_array_equal(some.read(1).image, split.read(4).image)
    assert some_images(split, 9) is split


# --- weights of other runs ---


def saved(model, folder):
    """A run folder with the weights of `model`."""
    from kseg.models.saving import save_model

    folder.mkdir()
    save_model(model, folder / BEST, objects_data().info)
    return str(folder)


def test_another_objects_run_gives_all_but_the_scores_of_other_classes(
    tmp_path, capsys
):
    data = objects_data()
    run = saved(new_network(objects_config(seed=1), data), tmp_path / "run")
    fewer = replace(data, class_names=data.class_names[:2], colors=data.colors[:2])
    network = new_network(objects_config(init_from=run), fewer)
    assert f"weights from {run}; new layers: score8\n" in capsys.readouterr().err
    start = load_model(tmp_path / "run" / BEST)
    same = [name for name in weights_of(start) if not name.startswith("score8/")]
    assert_equal_weights(network, start, same)


def test_a_semantic_run_gives_its_encoder(tiny, tmp_path, capsys):
    """The coarsest level has a stage that U-Net's encoder does not have."""
    semantic = new_network(TrainConfig(width=4), tiny)
    run = saved(semantic, tmp_path / "run")
    config = objects_config(strides=(8, 16, 32), init_from=run)
    network = new_network(config, objects_data())
    assert_equal_weights(network, semantic, inside_encoder(semantic))
    log = capsys.readouterr().err
    assert f"weights from {run}; new layers: encoder_down32_1_conv," in log
    assert log.endswith(" others\n")


def test_a_run_with_another_encoder_is_refused(tmp_path):
    data = objects_data()
    run = saved(new_network(objects_config(), data), tmp_path / "run")
    other = objects_config(width=None, encoder="mobilenetv2", alpha=0.35, init_from=run)
    with pytest.raises(InputError, match="a different network: encoder_.* is missing"):
        new_network(other, data)


# --- tasks ---


@pytest.mark.parametrize(
    ("model", "task", "remedy"),
    [
        ("unet", "instance", "--task semantic, or --model instances"),
        ("instances", "semantic", "--task instance or detection, or --model .*unet"),
    ],
)
def test_a_network_of_another_task_is_refused(model, task, remedy, tiny):
    data = tiny if task == "semantic" else objects_data(task)
    match = f"^--model {model}: .* is read for the task {task}; use {remedy}"
    with pytest.raises(InputError, match=match):
        check_task(model, data)

"""Training of `yolo`: an epoch, exact resuming, the size of the dense form."""

import shutil

import pytest
from tensorflow.python.framework.config import disable_op_determinism

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST, CHECKPOINT, HISTORY, read_history
from kseg.core.task_defaults import for_task
from kseg.evaluation.open import open_predictor
from kseg.training import checkpoint
from kseg.training.detection.grid import loss
from kseg.training.fit import fit
from tests.kseg.training.conftest import objects_data
from tests.kseg.training.helpers import outcome

OPTIONS = {
    **{"model": "yolo", "width": 2, "size": (64, 64), "batch_size": 4},
    **{"epochs": 2, "deterministic": True, "save_seconds": 0.0, "ema": 0.8},
}


def config_of(**options):
    named = {**OPTIONS, **options}
    return for_task(TrainConfig(**named), named, "detection")


@pytest.mark.slow
def test_a_resumed_run_ends_bit_equal(tmp_path):
    checkpoints, save = {}, checkpoint.save

    def recording(path, model, state):
        save(path, model, state)
        checkpoints[state.step] = path.read_bytes()

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    data = objects_data("detection", val=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", recording)
        assert not fit(config_of(), data, whole)
    shutil.copytree(whole, resumed)
    (resumed / CHECKPOINT).write_bytes(checkpoints[3])
    assert not fit(config_of(resume=True), data, resumed)
    disable_op_determinism()  # it is a setting of the process
    expected, found = outcome(whole), outcome(resumed)
    assert [name for name in expected if expected[name] != found[name]] == []
    lines = read_history(whole / HISTORY)
    assert all(0 < line["loss"] < 100 for line in lines)
    info = open_predictor(whole / BEST).info
    assert info.decoder["kind"] == "boxes" and info.geometry.minimum == 8


def test_the_dense_form_is_trained_at_its_own_size():
    with pytest.raises(InputError, match="--size 64x64: .*; use 448x448"):
        loss(config_of(grid_head="dense"), objects_data("detection"))
    dense = config_of(grid_head="dense", size=(448, 448))
    assert loss(dense, objects_data("detection")).size == (448, 448)

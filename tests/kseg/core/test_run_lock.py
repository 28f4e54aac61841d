"""One training at a time in a folder, whichever command starts it."""

from os import listdir

import pytest

import kseg
from edge.core.errors import InputError
from kseg.core.configs import TrainConfig, fold_folder
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.core.run_lock import check_unlocked, claimed, locked
from kseg.core.runs import CHECKPOINT, CONFIG
from kseg.core.tune_config import TuneConfig
from kseg.training.folds import train_folds
from kseg.training.tuning.search import tune
from tests.support.posix import needs_posix

pytestmark = needs_posix  # Windows has no such locks
TAKEN = "another training is running there; wait until it ends, or give another"


def test_a_folder_is_locked_once_and_free_afterwards(tmp_path):
    folder = tmp_path / "new" / "run"
    for _ in range(2):
        with locked(folder):
            with pytest.raises(InputError, match=f"^{folder}: {TAKEN}"):
                check_unlocked(folder)
            with pytest.raises(InputError, match=TAKEN), locked(folder):
                pass
            (folder / "model.keras").touch()
        check_unlocked(folder)
    assert listdir(folder) == ["model.keras"]


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(InputError, match=r"\.lock: cannot be locked \(Is a directory"):
        with locked(tmp_path):
            pass


def test_what_killed_trainings_left_is_removed(tmp_path):
    left = (".checkpoint.part.npz", ".model-0123456789ab.part.keras")
    for name in (*left, ".int8.part.tflite"):  # an export of the same run may go on
        (tmp_path / name).touch()
    with claimed(TrainConfig(output=str(tmp_path)), ALONE):
        assert sorted(listdir(tmp_path)) == [".int8.part.tflite", ".lock"]


def test_an_error_leaves_no_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "new" / "run"):
        _ = 1 / 0
    assert listdir(tmp_path) == []


def test_a_run_that_another_training_has_made_meanwhile_is_kept(tmp_path):
    config = TrainConfig(output=str(tmp_path))
    (tmp_path / CONFIG).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="already has a run"):
        with claimed(config, ALONE):
            pass
    with claimed(config, ProcessGroup(process=1, processes=2)):  # not the main one
        assert listdir(tmp_path) == [CONFIG]


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_no_training_begins_beside_another(tmp_path, options):
    if options:
        (tmp_path / CHECKPOINT).touch()
    with locked(tmp_path):
        with pytest.raises(InputError, match=TAKEN):  # before the data are looked for
            kseg.train("gone", model="fcn32s", output=tmp_path, **options)


def test_no_search_begins_beside_another(tmp_path):
    pytest.importorskip("optuna")
    config = TuneConfig(data="gone", output=str(tmp_path), hours=1.0)
    with locked(tmp_path), pytest.raises(InputError, match=TAKEN):
        tune(config, {"data", "output", "hours"})


def test_folds_are_not_replaced_while_one_of_them_is_trained(tmp_path):
    config = TrainConfig(data="gone", output=str(tmp_path), folds=2, overwrite=True)
    (tmp_path / CONFIG).write_text('{"config": {"folds": 2}}', encoding="utf-8")
    folder = fold_folder(tmp_path, 1)
    with locked(folder), pytest.raises(InputError, match=f"^{folder}: {TAKEN}"):
        train_folds(config, {"folds"}, ALONE, None, None)

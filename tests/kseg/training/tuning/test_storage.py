"""The study that keeps a search."""

import logging

import pytest

from edge.core.errors import InputError
from kseg.training.tuning.storage import (
    STUDY,
    import_optuna,
    importances,
    open_study,
    pruner_for,
    retry_interrupted,
)

optuna = pytest.importorskip("optuna")


def test_trials_are_kept_and_an_interrupted_one_is_tried_again(tmp_path):
    folder = tmp_path / "50% of #1?"
    study = open_study(folder, seed=0)
    first = study.ask()
    first.suggest_float("x", 0, 1)
    study.tell(first, 0.5)
    killed = study.ask()
    killed.suggest_float("x", 0, 1)
    again = open_study(folder, seed=0)
    retry_interrupted(again)
    states = [trial.state.name for trial in again.trials]
    assert states == ["COMPLETE", "FAIL", "WAITING"]
    assert again.ask().suggest_float("x", 0, 1) == killed.params["x"]
    assert again.best_value == 0.5 and (folder / STUDY).is_file()


def test_a_continued_search_suggests_other_values(tmp_path):
    study = open_study(tmp_path, seed=0)
    first = study.ask()
    first.suggest_float("x", 0, 1)
    study.tell(first, 0.5)
    again = open_study(tmp_path, seed=0)
    assert again.ask().suggest_float("x", 0, 1) != first.params["x"]


def test_a_trial_below_the_median_is_ended(tmp_path):
    """Four complete trials with 0.5 after each epoch, one with 0.4, one with 0.6."""
    study = open_study(tmp_path, seed=0)
    study.pruner = pruner_for(epochs=8)
    for _ in range(4):
        trial = study.ask()
        for epoch in range(1, 9):
            trial.report(0.5, epoch)
        study.tell(trial, 0.5)
    for value, ended in ((0.4, True), (0.6, False)):
        trial = study.ask()
        for epoch in (1, 2):  # the first quarter
            trial.report(value, epoch)
            assert not trial.should_prune() or epoch == 2
        trial.report(value, 3)
        assert trial.should_prune() == ended


def test_the_option_that_matters_is_found(tmp_path):
    study = open_study(tmp_path, seed=0)
    assert importances(study) == {}
    for index in range(20):
        trial = study.ask()
        x, _ = (trial.suggest_float(name, 0, 1) for name in "xy")
        study.tell(trial, x)
        assert bool(importances(study)) == (index >= 9)
    found = importances(study)
    assert found["x"] > found["y"] and sum(found.values()) == pytest.approx(1)


def test_a_file_that_is_no_study_is_one_line(tmp_path):
    (tmp_path / STUDY).write_bytes(b"no database" * 100)
    with pytest.raises(InputError, match=f"{STUDY}: is damaged or of another version"):
        open_study(tmp_path, seed=0)


def test_the_log_of_the_library_is_ours(caplog):
    import_optuna()
    with caplog.at_level(logging.WARNING, logger="kseg"):
        logging.getLogger("optuna").warning("a warning")
    assert [r.name for r in caplog.records if r.name.startswith("kseg")] == [
        "kseg.training.tuning.storage"
    ]

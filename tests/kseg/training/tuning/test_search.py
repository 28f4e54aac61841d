"""A search from its start to best.toml, with trainings of seconds."""

import json
import shutil
from dataclasses import fields, replace

import pytest

from edge.core.errors import GateFailed, InputError
from kseg.cli.tune import trials_table
from kseg.core.configs import TrainConfig
from kseg.core.names import OF_MACHINES
from kseg.core.runs import BEST
from kseg.core.tune_config import TuneConfig, training_of
from kseg.training.tuning import search
from kseg.training.tuning.record import BEST_OPTIONS, TRIALS
from kseg.training.tuning.search import tune
from kseg.training.tuning.storage import open_study, retry_interrupted

pytest.importorskip("optuna")
TINY = {"model": "dense", "width": 2, "size": (32, 32), "batch_size": 4, "epochs": 1}
GIVEN = {*TINY, "data", "output"}


@pytest.fixture
def config(tiny_folder, tmp_path):
    places = {"data": str(tiny_folder), "output": str(tmp_path / "t")}
    return TuneConfig(**TINY, **places, hours=1.0, trials=2)


class StandIn:
    """In place of a training of seconds: the values of its epochs are given.

    A training calls the callbacks as Keras does.
    """

    def __init__(self, *values):
        self.values, self.configs = list(values), []

    def __call__(self, config, data, folder, watch=lambda saver: ()):
        self.configs.append(config)
        folder.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{epoch},0.001\n" for epoch in (1, 2))
        (folder / "history.csv").write_text(f"epoch,seconds\n{rows}", encoding="utf-8")
        self.config, self.stopped = config, False
        callbacks = watch(self)
        value = self.values.pop(0) if callbacks else 0.0
        if value == "Ctrl-C":
            return True
        if value is None:
            raise GateFailed("the loss is nan")
        for each in callbacks:
            each.on_train_batch_end(0)
            each.on_epoch_end(0, {"val_mean_iou": value})
        return self.stopped

    def end(self):
        self.stopped = True


@pytest.fixture
def trained(monkeypatch):
    def use(*values):
        made = StandIn(*values)
        monkeypatch.setattr(search, "fit", made)
        return made

    return use


def test_options_that_are_given_are_those_of_every_trial():
    config = TuneConfig(data="photos", hours=2.0, epochs=4, scale=2.0, output="t")
    fixed, given = training_of(config, {"hours", "scale", "epochs", "output"})
    assert given == {"data", "scale", "epochs"}
    assert (fixed.data, fixed.scale, fixed.epochs) == ("photos", 2.0, 4)
    assert fixed.output == "" and str(config.folder) == "t"
    assert TuneConfig(data="a/photos").folder.parts == ("saved_models", "photos-tune")


def test_every_option_of_learning_can_be_given():
    """All but those of starting, of folds, of the time, of machines and of the run."""
    trained = {item.name for item in fields(TrainConfig)}
    missing = trained - {item.name for item in fields(TuneConfig)}
    assert missing == {
        *("fold", "folds", "resume", "overwrite", "save_seconds", "tensorboard"),
        *OF_MACHINES,
    }


@pytest.mark.slow
def test_two_trials_of_real_trainings(config):
    found, stopped = tune(config, GIVEN)
    assert not stopped and len(found["trials"]) == 2
    first = found["trials"][0]
    assert first["options"]["learning_rate"] == 1e-3  # the default options
    assert first["options"]["loss"] == "ce+dice" and first["state"] == "complete"
    values = [trial["value"] for trial in found["trials"]]
    assert all(0 < value < 1 for value in values)
    best = config.folder / f"trial{found['best']}"
    assert (best / "model.keras").is_file() and not (config.folder / "probe").exists()
    assert found["trials"][found["best"]]["value"] == max(values)


def test_the_best_trial_and_its_table(config, trained):
    made = trained(0.25, 0.75)
    found, _ = tune(config, GIVEN)
    assert found["best"] == 1 and found["epochs"] == 1
    assert [c.epochs for c in made.configs] == [2, 1, 1]  # the probe is first
    assert made.configs[1].learning_rate == 1e-3
    assert made.configs[2].learning_rate != 1e-3
    assert all(c.width == 2 for c in made.configs)
    text = (config.folder / BEST_OPTIONS).read_text(encoding="utf-8")
    assert f"learning_rate = {made.configs[2].learning_rate}" in text
    assert "epochs" not in text.partition("\n")[2]
    lines = trials_table(found).splitlines()
    assert lines[2].split()[:4] == ["1", "complete", "1", "0.7500"]


def test_the_same_command_continues(config, trained):
    trained(0.25, 0.5)
    tune(config, GIVEN)
    made = trained(0.75)
    found, _ = tune(replace(config, trials=3), GIVEN | {"trials"})
    assert len(made.configs) == 1 and len(found["trials"]) == 3  # no probe
    for changed in ({"width": 4}, {"seed": 1}):
        with pytest.raises(InputError, match="has a search with other options"):
            tune(replace(config, **changed), GIVEN | {*changed})


def test_a_search_goes_on_with_the_same_teachers(config, trained, plain_run, weighted):
    teacher = shutil.copytree(plain_run, config.folder.parent / "teacher")
    config, given = replace(config, teacher=(str(teacher),)), GIVEN | {"teacher"}
    trained(0.25, 0.5, 0.75)
    tune(config, given)
    tune(replace(config, trials=3), given)
    shutil.copy(weighted / BEST, teacher / BEST)
    with pytest.raises(InputError, match="has a search with other teachers"):
        tune(replace(config, trials=4), given)


def test_ctrl_c_keeps_the_trials_and_tries_the_last_one_again(config, trained):
    made = trained(0.25, "Ctrl-C")
    found, stopped = tune(config, GIVEN)
    assert stopped and found["best"] == 0
    assert [t["ended"] for t in found["trials"]] == ["", "Ctrl-C"]
    assert json.loads((config.folder / TRIALS).read_text(encoding="utf-8")) == found
    again = trained(0.5)
    found, stopped = tune(config, GIVEN)  # of two trials, one is done
    assert not stopped and found["best"] == 2 and len(found["trials"]) == 3
    names = ("learning_rate", "weight_decay", "loss", "scale", "color", "ema")
    for name in names:
        assert getattr(again.configs[0], name) == getattr(made.configs[-1], name)


def test_a_second_process_takes_over_and_the_first_one_ends(
    config, trained, monkeypatch
):
    made = trained(0.25, 0.5, 0.75)

    def second(*arguments, **options):
        retry_interrupted(open_study(config.folder, seed=0))
        return made(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(search, "fit", second)
        with pytest.raises(InputError, match="another kseg tune has continued this"):
            tune(config, GIVEN)
    found, _ = tune(config, GIVEN)
    assert [trial["state"] for trial in found["trials"]] == [
        *("failed", "complete", "complete")
    ]


def test_a_trial_that_fails_does_not_end_the_search(config, trained):
    trained(None, 0.5)
    found, _ = tune(config, GIVEN)
    assert [t["state"] for t in found["trials"]] == ["failed", "complete"]
    assert found["trials"][0]["ended"] == "not finite"


def test_no_trial_is_begun_without_time_and_too_little_is_refused(config, trained):
    trained(0.5)
    with pytest.raises(InputError, match="--hours 1e-08: too short for one trial"):
        tune(replace(config, hours=1e-8), GIVEN | {"hours"})
    tune(replace(config, trials=1), GIVEN | {"trials"})
    made = trained(0.5)
    found, _ = tune(replace(config, hours=1e-8), GIVEN | {"hours"})
    assert not made.configs and len(found["trials"]) == 1


def test_nothing_to_search_is_refused(config):
    names = ("learning_rate", "weight_decay", "loss", "scale", "color", "rare_crops")
    with pytest.raises(InputError, match="nothing is left to try"):
        tune(replace(config, learning_rate=0.01), GIVEN | {*names, "ema"})
    assert not config.folder.exists()

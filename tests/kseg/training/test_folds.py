"""Training of folds: which are trained, continued and left, and what is written."""

import json
import shutil
import time
from dataclasses import replace

import pytest

from edge.core.errors import GateFailed, InputError
from kseg.api import train_once
from kseg.core.configs import TrainConfig, fold_folder
from kseg.core.fold_runs import SUMMARY, Fold, is_finished, read_fold, write_fold
from kseg.core.process_group import ALONE, ProcessGroup
from kseg.core.results import Run
from kseg.core.run_lock import locked
from kseg.core.runs import (
    BEST,
    CHECKPOINT,
    CONFIG,
    METRICS,
    REPORT,
    reserve,
    run_config,
    write_json,
)
from kseg.data.fold_data import is_data_of_fold, open_training_data
from kseg.data.folds import image_keys
from kseg.data.open import open_data
from kseg.training import folds
from kseg.training.fit import fit, merge_resumed, read_recorded_config, record_of
from kseg.training.folds import is_k_fold, train_folds
from tests.kseg.training.helpers import outcome
from tests.support.posix import needs_posix

GIVEN = {"model", "width", "size", "batch_size", "epochs", "data", "output", "folds"}


@pytest.fixture
def config(tiny_config, tmp_path):
    return tiny_config(tmp_path / "k", folds=3, save_seconds=0.0)


class StandIn:
    """Leaves the files of a training in place of one, which takes seconds.

    `stop_in` is interrupted, `fail_in` fails.
    """

    def __init__(self, stop_in=None, fail_in=None):
        self.folds, self.stop_in, self.fail_in = [], stop_in, fail_in

    def __call__(self, config, given, group):
        folder = reserve(config)
        self.folds.append((config.fold, config.resume))
        if config.fold == self.fail_in:
            raise GateFailed("the loss is nan")
        data = open_training_data(config, folder)
        stopped = self.train(config, given, data, folder)
        classes = {"sky": 0.5}
        metrics = {"mean_iou": 0.1 * config.fold, "per_class_iou": classes}
        (folder / METRICS).write_text(json.dumps(metrics), encoding="utf-8")
        return Run(folder, {}, [], config, stopped)

    def train(self, config, given, data, folder):
        write_json(folder / CONFIG, record_of(config, data, (32, 32)))
        for name in (BEST, CHECKPOINT):
            (folder / name).write_bytes(b"")
        return config.fold == self.stop_in


class Trainer(StandIn):
    """Trains as kseg.api does, without the report."""

    def train(self, config, given, data, folder):
        if config.resume:
            config = merge_resumed(config, given, read_recorded_config(folder))
        watch = interrupted if config.fold == self.stop_in else lambda saver: ()
        return fit(config, data, folder, watch=watch)


def interrupted(saver):
    """Ends a training after its first step."""
    from keras.callbacks import LambdaCallback

    return [LambdaCallback(on_train_batch_end=lambda batch, logs: saver.stop())]


def run(config, trainer, given=GIVEN):
    def page(folder, summary):
        (folder / REPORT).write_text(str(summary["finished"]), encoding="utf-8")

    return train_folds(config, set(given), ALONE, trainer, page)


def test_the_folds_share_the_time(config, tiny):
    done = run(replace(config, hours=0.6), StandIn(), GIVEN | {"hours"})
    for number in range(3):
        text = (fold_folder(done.folder, number) / CONFIG).read_text(encoding="utf-8")
        assert json.loads(text)["config"]["hours"] == pytest.approx(0.2)


def test_the_time_of_a_fold_begins_when_that_of_the_fold_before_it_ends(config, tiny):
    began, trainer = [], StandIn()

    def train_one(config, given, group):
        began.append(group.began)
        return trainer(config, given, group)

    group = ProcessGroup(began=-1.0)
    train_folds(config, set(GIVEN), group, train_one, lambda folder, summary: None)
    first, *others = began
    assert first == -1 and 0 < others[0] <= others[1] <= time.monotonic()


def summary_of(folder):
    return json.loads((folder / SUMMARY).read_text(encoding="utf-8"))


def test_each_fold_is_a_run_validated_with_its_own_images(config, tiny):
    trainer = StandIn()
    done = run(config, trainer)
    assert trainer.folds == [(0, False), (1, False), (2, False)] and not done.stopped
    seen = []
    for number in range(3):
        folder = fold_folder(done.folder, number)
        assert (folder / BEST).is_file() and is_finished(folder)
        record = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        assert record["data"]["images"] == {"train": 8, "val": 4}
        assert record["config"]["fold"] == number
        seen += read_fold(folder).val
    assert sorted(seen) == sorted(image_keys(tiny))
    found = summary_of(done.folder)
    assert found == done.metrics and found["finished"] == 3
    assert found["mean"] == pytest.approx(0.1) and found["std"] == pytest.approx(0.1)
    assert (done.folder / REPORT).read_text(encoding="utf-8") == "3"


@pytest.mark.slow
def test_an_interrupted_fold_is_continued_to_the_same_result(config, tmp_path):
    stopped = run(config, Trainer(stop_in=1))
    assert stopped.stopped and summary_of(stopped.folder)["finished"] == 1
    assert (fold_folder(stopped.folder, 1) / BEST).is_file()
    assert not fold_folder(stopped.folder, 2).exists()
    trainer = Trainer()
    resumed = TrainConfig(output=str(tmp_path / "k"), resume=True)
    assert is_k_fold(resumed)
    done = run(resumed, trainer, {"output", "resume"})
    assert trainer.folds == [(1, True), (2, False)]
    assert done.metrics["finished"] == 3
    whole = run(replace(config, output=str(tmp_path / "whole")), Trainer())
    for number in (1, 2):
        ours, theirs = (outcome(fold_folder(r.folder, number)) for r in (done, whole))
        assert ours.keys() == theirs.keys()
        assert all(ours[name] == theirs[name] for name in ours if name != BEST)


def test_a_failure_keeps_the_folds_before_it(config):
    with pytest.raises(GateFailed, match="nan"):
        run(config, StandIn(fail_in=1))
    assert summary_of(config.run_folder)["finished"] == 1
    trainer = StandIn()
    assert run(replace(config, resume=True), trainer).metrics["finished"] == 3
    assert trainer.folds == [(1, False), (2, False)]


def test_a_start_that_failed_can_be_repeated(config):
    with pytest.raises(GateFailed, match="nan"):
        run(config, StandIn(fail_in=0))
    assert not (config.run_folder / CONFIG).exists()
    assert run(config, StandIn()).metrics["finished"] == 3


def test_one_fold_alone_and_then_another(config):
    """As on two machines that share a folder."""
    given = GIVEN | {"fold"}
    trainer = StandIn()
    assert run(replace(config, fold=2), trainer, given).metrics["finished"] == 1
    assert run(replace(config, fold=0), trainer, given).metrics["finished"] == 2
    assert trainer.folds == [(2, False), (0, False)]
    with pytest.raises(InputError, match="fold0: already has a run"):
        run(replace(config, fold=0), trainer, given)
    with pytest.raises(InputError, match="--fold 3: the folds are 0 to 2"):
        run(replace(config, fold=3), trainer, given)
    with pytest.raises(InputError, match="--epochs 5: the resumed run .* with 1"):
        run(replace(config, fold=1, epochs=5), trainer, given)
    run(replace(config, resume=True), trainer)
    assert trainer.folds[2:] == [(1, False)]


def test_two_machines_that_begin_together_have_one_plan(config, monkeypatch):
    """The other one writes it, and trains a fold, while this one divides the images."""
    given, others, divide = GIVEN | {"fold"}, StandIn(), folds.divide

    def slowly(*arguments):
        monkeypatch.setattr(folds, "divide", divide)
        run(replace(config, fold=2), others, given)
        return divide(*arguments)

    monkeypatch.setattr(folds, "divide", slowly)
    trainer = StandIn()
    done = run(replace(config, fold=0), trainer, given)
    assert (others.folds, trainer.folds) == ([(2, False)], [(0, False)])
    assert done.metrics["finished"] == 2
    assert is_finished(fold_folder(done.folder, 2))


@needs_posix
def test_a_training_of_all_folds_is_alone_in_its_folder(config):
    trainer = StandIn()
    with locked(config.run_folder), pytest.raises(InputError, match="is running there"):
        run(config, trainer)
    run(replace(config, fold=1), StandIn(), GIVEN | {"fold"})
    with locked(fold_folder(config.run_folder, 0)):  # another --fold begins
        with pytest.raises(InputError, match="fold0: another training is running"):
            run(replace(config, resume=True), trainer)
    assert trainer.folds == [] and (config.run_folder / CONFIG).exists()


@needs_posix
def test_a_fold_does_not_replace_a_run_that_is_trained(config):
    with locked(config.run_folder), pytest.raises(InputError, match="is running there"):
        run(replace(config, fold=0, overwrite=True), StandIn(), GIVEN | {"fold"})
    run(replace(config, fold=0), StandIn(), GIVEN | {"fold"})
    whole = TrainConfig(data="gone", output=config.output, overwrite=True)
    with locked(fold_folder(config.run_folder, 0)):
        with pytest.raises(InputError, match="fold0: another training is running"):
            train_once(whole, {"data", "output", "overwrite"}, ALONE)


def test_a_failure_keeps_a_fold_that_another_machine_has_begun(config):
    def fail(each, given, group):
        write_fold(fold_folder(config.run_folder, 1), Fold([]))
        raise GateFailed("the loss is nan")

    with pytest.raises(GateFailed, match="nan"):
        run(config, fail)
    assert read_fold(fold_folder(config.run_folder, 1)).val == []


@needs_posix
def test_a_plan_stays_while_another_machine_trains_its_first_fold(config):
    run(replace(config, fold=0), StandIn(stop_in=0), GIVEN | {"fold"})
    fold = fold_folder(config.run_folder, 0)
    (fold / CHECKPOINT).unlink(missing_ok=True)
    (fold / BEST).unlink(missing_ok=True)
    with locked(fold), pytest.raises(InputError, match="is running there"):
        run(replace(config, resume=True), StandIn())
    assert (config.run_folder / CONFIG).exists()


@needs_posix
def test_a_fold_alone_waits_until_the_plan_of_all_is_made(config, monkeypatch):
    divide = folds.divide

    def slowly(*arguments):
        with pytest.raises(InputError, match="is running there"):
            run(replace(config, fold=2), StandIn(), GIVEN | {"fold"})
        return divide(*arguments)

    monkeypatch.setattr(folds, "divide", slowly)
    assert run(config, StandIn(stop_in=0)).stopped
    run(replace(config, fold=2), StandIn(), GIVEN | {"fold"})
    assert is_finished(fold_folder(config.run_folder, 2))


@pytest.mark.slow
def test_a_fold_that_was_interrupted_is_continued(config):
    """Folds are begun as if they replaced a run, and their records say so."""
    one = replace(config, folds=2, fold=0)
    run(one, train_once, GIVEN | {"fold"})
    folder = fold_folder(config.run_folder, 0)
    write_fold(folder, Fold(read_fold(folder).val))
    alone = TrainConfig(output=str(folder), resume=True)
    assert train_once(alone, {"output", "resume"}, ALONE).folder == folder
    again = TrainConfig(output=config.output, resume=True)
    assert run(again, train_once, {"output", "resume"}).metrics["finished"] == 2


@pytest.mark.slow
def test_overwriting_forgets_the_old_folds(config):
    run(config, StandIn())
    with pytest.raises(InputError, match="already has a run"):
        run(config, StandIn())
    trainer = StandIn(stop_in=0)
    run(replace(config, folds=2, overwrite=True), trainer)
    assert trainer.folds == [(0, False)]
    assert not fold_folder(config.run_folder, 2).exists()
    assert summary_of(config.run_folder)["finished"] == 0


def test_nothing_is_written_for_what_cannot_be_trained(config, tmp_path):
    trainer = StandIn()
    for changed, message in {
        replace(config, folds=13): "--folds 13: .* only 12 images",
        replace(config, images=9): "--images 9: .* has 8 images to train on",
        replace(config, resume=True): "has no folds to resume",
    }.items():
        with pytest.raises(InputError, match=message):
            run(changed, trainer)
    several = ProcessGroup(0, 2, coordinator="here:1")
    with pytest.raises(InputError, match="another --fold"):
        train_folds(config, GIVEN, several, trainer, lambda *_: None)
    assert not config.run_folder.exists() and not trainer.folds


def test_a_folder_whose_images_changed_is_not_continued(config, tiny_folder, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(tiny_folder, folder)
    own = replace(config, data=str(folder))
    run(own, StandIn(stop_in=0))
    for kind in ("images", "masks"):
        (folder / "train" / kind / "s3.png").unlink()
    with pytest.raises(InputError, match="the data have changed"):
        run(replace(own, resume=True), StandIn())


def test_all_folds_have_the_same_teachers(config, plain_run, weighted, tmp_path):
    def taught(run, **options):
        return replace(config, teacher=(str(run),), **options)

    given = GIVEN | {"teacher"}
    run(taught(plain_run), StandIn(stop_in=0), given)
    with pytest.raises(InputError, match="has changed since the run was started"):
        run(taught(weighted, resume=True), StandIn(), given)
    with pytest.raises(InputError, match="no such run folder"):
        run(taught(tmp_path / "none", overwrite=True), StandIn(), given)
    moved = shutil.copytree(plain_run, tmp_path / "moved")
    trainer = StandIn()
    run(taught(moved, resume=True), trainer, given)
    assert trainer.folds == [(0, True), (1, False), (2, False)]


def test_folds_without_teachers_get_none_later(config, plain_run):
    run(config, StandIn(stop_in=0))
    taught = replace(config, teacher=(str(plain_run),), resume=True)
    with pytest.raises(InputError, match="1 runs, but the resumed run .* with 0"):
        run(taught, StandIn(), GIVEN | {"teacher"})


def test_the_data_of_a_fold_are_known_where_they_moved(config, tiny_folder, tmp_path):
    run(replace(config, fold=0), StandIn(), GIVEN | {"fold"})
    folder = fold_folder(config.run_folder, 0)
    recorded = run_config(folder)
    assert (folder / CHECKPOINT).is_file()
    shutil.copytree(tiny_folder, tmp_path / "moved")
    assert is_data_of_fold(recorded, folder, str(tiny_folder))
    assert is_data_of_fold(recorded, folder, str(tmp_path / "moved"))
    (tmp_path / "moved" / "val" / "masks" / "s0.png").write_bytes(
        (tiny_folder / "val" / "masks" / "s1.png").read_bytes()
    )
    assert not is_data_of_fold(recorded, folder, str(tmp_path / "moved"))
    assert not is_data_of_fold(recorded, folder, "shapes")
    assert len(open_data(str(tiny_folder)).splits["val"].sizes) == 4

"""Soft labels are computed once, and a student learns from them."""

import errno
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from tensorflow.python.framework.config import disable_op_determinism

from edge.core.errors import InputError
from kseg.core.process_group import ProcessGroup
from kseg.core.runs import BEST, CHECKPOINT, CONFIG
from kseg.core.task_defaults import for_task
from kseg.data.loading.soft_labels import SoftLabels, decode
from kseg.data.sample import Sample
from kseg.training import checkpoint
from kseg.training.fit import ALONE, fit
from kseg.training.soft_labels import key_of, soft_labels
from kseg.training.teachers import Predictions, find_teachers
from tests.kseg.training.helpers import outcome
from tests.kseg.training.test_fit import lines_of


@pytest.fixture(scope="module")
def teachers(plain_run, train, tmp_path_factory):
    """Two runs that tests only read."""
    folder = tmp_path_factory.mktemp("teachers")
    return [plain_run, train(folder / "seed1", seed=1)]


@pytest.fixture
def taught(tiny_config, teachers, tmp_path, monkeypatch):
    """`taught(**options)`: a config with both teachers; the cache is empty."""
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path / "cache"))
    names = tuple(map(str, teachers))

    def configure(**options):
        return tiny_config(tmp_path / "student", **{"teacher": names, **options})

    return configure


def computed(config, data, group=ALONE) -> SoftLabels:
    return soft_labels(config, data, find_teachers(config, data), group)


def test_they_are_the_mean_of_the_teachers(taught, tiny, caplog):
    config = taught()
    soft = computed(config, tiny)
    each = [Predictions(config, t, tiny) for t in find_teachers(config, tiny)]
    exact = sum(predictions.of(5, (16, 16)) for predictions in each) / 2
    np.testing.assert_allclose(decode(soft.read(5)), exact, atol=0.01)
    assert "computing soft labels of 8 images, 2 passes each; they take at " in (
        caplog.text
    )


def test_they_are_computed_once(taught, tiny, monkeypatch, caplog):
    soft = computed(taught(), tiny)
    monkeypatch.setattr("kseg.training.soft_labels.compute", None)
    caplog.clear()
    assert computed(taught(epochs=9), tiny) == soft  # for other students too
    assert not caplog.text


def test_ctrl_c_keeps_those_that_are_done(taught, tiny, monkeypatch, caplog):
    predict, done = Predictions.of, []

    def interrupted(self, index, size):
        if len(done) == 2 * 3:
            raise KeyboardInterrupt
        done.append(index)
        return predict(self, index, size)

    monkeypatch.setattr(Predictions, "of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        computed(taught(), tiny)
    assert "3 of 8 are computed; the same command continues" in caplog.text
    monkeypatch.setattr(Predictions, "of", predict)
    soft = computed(taught(), tiny)
    assert "soft labels of 5 images (3 are there from before)" in caplog.text
    assert not soft.missing()


def test_a_full_disk_is_one_line(taught, tiny, monkeypatch):
    def full(self, index, soft):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SoftLabels, "write", full)
    message = "cannot be written to .No space left on device.; free some space$"
    with pytest.raises(InputError, match=message):
        computed(taught(), tiny)


def test_a_cache_that_cannot_be_written_is_one_line(taught, tiny, tmp_path):
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with pytest.raises(InputError, match="cache.*: cannot be created"):
        computed(taught(), tiny)


def test_several_processes_are_refused(taught, tiny):
    with pytest.raises(InputError, match="--teacher: not supported with several"):
        computed(taught(), tiny, ProcessGroup(processes=2))


def test_soft_labels_that_are_not_used_are_removed(taught, tiny, tmp_path):
    old = computed(taught(), tiny).folder
    os.utime(old, (0, 0))
    new = computed(taught(teacher_temperature=3.0), tiny).folder
    assert new.is_dir() and not old.exists()


def test_soft_labels_of_another_user_are_read(taught, tiny, monkeypatch):
    first = computed(taught(), tiny)

    def refuse(path) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(os, "utime", refuse)
    second = computed(taught(), tiny)
    np.testing.assert_array_equal(second.read(0), first.read(0))


def test_the_key_has_all_that_they_depend_on(taught, tiny, teachers, tmp_path):
    def key(config):
        return key_of(config, tiny, find_teachers(config, tiny))

    same = key(taught())
    shutil.copytree(teachers[0], tmp_path / "moved")
    names = (str(teachers[1]), str(tmp_path / "moved"))
    assert key(taught(teacher=names)) == same
    changes = [
        *({"teacher": names[:1]}, {"teacher_temperature": 4.0}, {"max_side": 16}),
        *({"teacher_flip": True}, {"teacher_scales": (1.0, 2.0)}),
    ]
    keys = [key(taught(**change)) for change in changes]
    assert len({same, *keys}) == 1 + len(changes)


def test_objects_have_no_teachers(taught):
    with pytest.raises(InputError, match="--teacher: has no effect on the task inst"):
        for_task(taught(), {"teacher"}, "instance")


# --- training ---


class Unlabelled:
    """A split whose masks are void."""

    def __init__(self, split):
        self.split = split

    def __getattr__(self, name):
        return getattr(self.split, name)

    def read(self, index):
        image, mask = self.split.read(index)
        return Sample(image, np.full_like(mask, 255))


@pytest.mark.slow
def test_a_student_learns_from_its_teachers_alone(taught, tiny, tmp_path):
    """Nothing is labelled, so the loss is the divergence from the teachers."""
    splits = {**tiny.splits, "train": Unlabelled(tiny.split("train"))}
    data = replace(tiny, splits=splits)
    config = taught(epochs=6, seed=7, scale=1.2)
    assert not fit(config, data, tmp_path / "student")
    losses = [float(line["loss"]) for line in lines_of(tmp_path / "student")]
    assert 0 < losses[-1] < 0.8 * losses[0]
    record = json.loads((tmp_path / "student" / CONFIG).read_text(encoding="utf-8"))
    assert [each["run"] for each in record["teachers"]] == list(config.teacher)


EXACT = {"deterministic": True, "save_seconds": 0.0, "epochs": 2, "elastic": 3.0}


@pytest.fixture
def determinism():
    yield
    disable_op_determinism()  # it is a setting of the process


@pytest.mark.slow
def test_a_resumed_run_ends_bit_equal(taught, tiny, tmp_path, monkeypatch, determinism):
    """Also when another folder has the teachers; not if they have changed."""
    complete, save, first = tmp_path / "student", checkpoint.save, []

    def recording(path, model, state):
        save(path, model, state)
        first.append(path.read_bytes())

    monkeypatch.setattr(checkpoint, "save", recording)
    assert not fit(taught(**EXACT), tiny, complete)
    moved = [tmp_path / name for name in ("moved0", "moved1")]
    for run, copy in zip(taught().teacher, moved, strict=True):
        shutil.copytree(run, copy)
    resumed = tmp_path / "resumed"
    resumed.mkdir()
    (resumed / CHECKPOINT).write_bytes(first[0])
    config = taught(**EXACT, resume=True, teacher=tuple(map(str, moved)))
    assert not fit(config, tiny, resumed)
    expected, found = outcome(complete), outcome(resumed)
    assert [name for name in expected if expected[name] != found[name]] == []

    with (moved[1] / BEST).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match="--teacher .*moved1: has changed since the"):
        fit(config, tiny, resumed)

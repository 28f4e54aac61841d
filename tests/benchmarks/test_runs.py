"""The runs of a comparison: complete, stopped, and started again."""

import shutil
from dataclasses import replace

import pytest

from benchmarks.runs import completed
from kseg.core.results import Run
from kseg.core.runs import METRICS


def test_a_complete_run_is_not_trained_again(trained):
    assert completed(trained, pytest.fail).metrics["mean_iou"] > 0


def test_a_stopped_run_has_no_figures_and_is_resumed(trained, tmp_path):
    resumed = []

    def train(resume: bool) -> Run:
        resumed.append(resume)
        shutil.copytree(trained, tmp_path / "run", dirs_exist_ok=True)
        run = Run.open(tmp_path / "run")
        return replace(run, stopped=len(resumed) == 1)

    with pytest.raises(KeyboardInterrupt):
        completed(tmp_path / "run", train)
    assert not (tmp_path / "run" / METRICS).exists()
    completed(tmp_path / "run", train)
    assert resumed == [False, True] and (tmp_path / "run" / METRICS).exists()

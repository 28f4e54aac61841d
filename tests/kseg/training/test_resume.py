"""A resumed run ends as one that was never stopped, or is refused."""

import json
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tensorflow.python.framework.config import disable_op_determinism

from edge.core.errors import InputError
from kseg.cli.train import main
from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST, CHECKPOINT, CONFIG, METRICS
from kseg.data.open import open_data
from kseg.models.saving import load_model
from kseg.training import checkpoint
from kseg.training.checkpoint import read
from kseg.training.fit import fit, merge_resumed, recorded_at
from tests.kseg.training.conftest import FCN, STEPS
from tests.kseg.training.helpers import (
    assert_equal_weights,
    epochs_of,
    inside_encoder,
    outcome,
    start,
)
from tests.support.posix import needs_posix

SLOW = pytest.mark.slow
# Everything that draws random numbers or remembers: augmentation, averages, dropout.
TRICKS = {
    "elastic": 4.0,
    "noise": 0.02,
    "loss": "ce+dice",
    "ema": 0.8,
    "deterministic": True,
    "save_seconds": 0.0,
    "epochs": 2,
}


@pytest.fixture(scope="module")
def steps_of_a_run(train, tmp_path_factory):
    """A run of two epochs of two steps, and the checkpoint after each of its steps."""
    folder = tmp_path_factory.mktemp("exact")
    whole, kept, save = folder / "whole", {}, checkpoint.save

    def keeping(path, model, progressed):
        save(path, model, progressed)
        kept[progressed.step] = path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", keeping)
        train(whole, **FCN, **TRICKS)
    yield whole, kept
    disable_op_determinism()  # which is the whole process's


def test_every_step_leaves_a_checkpoint(steps_of_a_run):
    assert list(steps_of_a_run[1]) == [1, 2, 3, 4]


@pytest.mark.parametrize("step", [1, 2, pytest.param(3, marks=SLOW)])
def test_a_resumed_run_ends_bit_equal(
    step, steps_of_a_run, tiny, tiny_config, tmp_path
):
    """Within the first epoch, at its end, and in the second."""
    whole, kept = steps_of_a_run
    if step >= STEPS:  # as it was left: an epoch's files, and a later checkpoint
        shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (tmp_path / CHECKPOINT).write_bytes(kept[step])
    config = tiny_config(tmp_path, **FCN, **TRICKS, resume=True)
    assert not fit(config, tiny, tmp_path)
    expected, found = outcome(whole), outcome(tmp_path)
    assert [name for name in expected if expected[name] != found[name]] == []


def test_resume_tells_a_default_from_what_was_not_given(steps_of_a_run):
    whole = str(steps_of_a_run[0])
    with pytest.raises(InputError, match="--ema 0.0: --resume .* own, 0.8; leave it"):
        main(["--output", whole, "--resume", "--ema", "0"])
    recorded = recorded_at(steps_of_a_run[0])
    asked = TrainConfig(output=whole, resume=True, elastic=4.0)
    given = {"output", "resume", "elastic"}
    assert merge_resumed(asked, given, recorded) == replace(recorded, resume=True)


def test_resume_wants_the_same_data(steps_of_a_run, tiny_folder, tiny_config, tmp_path):
    other, run = tmp_path / "tiny", tmp_path / "run"
    shutil.copytree(tiny_folder, other)
    shutil.copy(other / "train/masks/s1.png", other / "train/masks/s0.png")
    shutil.copytree(steps_of_a_run[0], run)
    config = tiny_config(run, **FCN, **TRICKS, resume=True, data=str(other))
    with pytest.raises(InputError, match="not what the run began with.* other content"):
        fit(config, open_data(str(other)), run)
    shutil.copy(tiny_folder / "train/masks/s0.png", other / "train/masks/s0.png")
    assert not fit(config, open_data(str(other)), run)  # the same, elsewhere


def test_resume_does_not_count_again(
    weighted, reconfigure, tiny, tiny_config, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "run"
    shutil.copytree(weighted, folder)
    record = json.loads((folder / CONFIG).read_text())
    monkeypatch.setattr("kseg.data.class_weights.count_pixels", None)
    loss = {"loss": "ce+0.5*dice", "class_weights": "median"}
    assert not fit(tiny_config(folder, **loss, epochs=2, resume=True), tiny, folder)
    assert epochs_of(folder) == [1, 2]
    resumed = json.loads((folder / CONFIG).read_text())
    assert resumed["class_weights"] == record["class_weights"]
    assert "loss ce+0.5*dice, class weights: class 0 0." in capsys.readouterr().err
    with pytest.raises(InputError, match="--loss dice: --resume .* own, ce.0.5.dice;"):
        main(["--output", str(folder), "--resume", "--loss", "dice"])


def test_resume_refuses_another_share_or_start(finer):
    arguments = ["--output", str(finer), "--resume"]
    with pytest.raises(InputError, match="--encoder-rate 0.5: --resume .* own, 0.0;"):
        main([*arguments, "--encoder-rate", "0.5"])
    with pytest.raises(InputError, match="--init-from other: --resume goes on"):
        main([*arguments, "--init-from", "other"])
    with pytest.raises(InputError, match="--upsampling bilinear: .* own, nearest;"):
        main([*arguments, "--upsampling", "bilinear"])


def test_resume_in_a_new_process_keeps_the_encoder_frozen(
    finer, coarse, reconfigure, tmp_path
):
    """And needs the run no more that it began with. The command leaves its report."""
    folder = tmp_path / "run"
    shutil.copytree(finer, folder)
    reconfigure(folder, epochs=2, init_from=str(tmp_path / "gone"))
    process = start("kseg.train", "--output", str(folder), "--resume")
    log = process.communicate()[1]
    assert process.returncode == 0, log
    assert epochs_of(folder) == [1, 2] and (folder / METRICS).is_file()
    before, after = load_model(coarse / BEST), load_model(folder / BEST)
    progressed = read(folder / CHECKPOINT)
    assert progressed.step == 2 * STEPS
    assert progressed.record["config"]["encoder_rate"] == 0
    assert_equal_weights(after, before, inside_encoder(after))


def interrupted(process: subprocess.Popen, folder: Path, after: int) -> str:
    """Waits for `after` epochs, presses Ctrl-C, returns what was logged."""
    while len(epochs_of(folder)) < after:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    return process.communicate()[1]


@pytest.mark.slow
@needs_posix
def test_ctrl_c_keeps_the_run_and_resume_goes_on(tiny_folder, tmp_path):
    folder = tmp_path / "run"
    small = "--model dense --width 2 --size 32x32 --batch-size 4 --epochs 5000".split()
    own = ["--data", str(tiny_folder), "--output", str(folder)]
    process = start("kseg.train", *own, *small)
    log = interrupted(process, folder, after=2)
    assert process.returncode == 130, log
    assert "Traceback" not in log
    assert "mean_iou" in json.loads((folder / METRICS).read_text())
    done = len(epochs_of(folder))
    assert done <= read(folder / CHECKPOINT).step / STEPS < done + 1

    process = start("kseg.train", "--output", str(folder), "--resume")
    log = interrupted(process, folder, after=done + 2)
    assert process.returncode == 130, log
    assert epochs_of(folder) == list(range(1, len(epochs_of(folder)) + 1))
    assert not list(folder.glob(".*part*"))
    record = json.loads((folder / CONFIG).read_text())
    assert record["config"]["epochs"] == 5000

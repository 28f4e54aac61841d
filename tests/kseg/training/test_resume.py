"""A resumed run ends exactly as an uninterrupted one, or is refused."""

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
from kseg.training.fit import fit, merge_resumed, read_recorded_config
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
# Options with random numbers or state: augmentation, averaged weights, dropout.
STATEFUL = {
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
    complete, checkpoints, save = folder / "complete", {}, checkpoint.save

    def recording(path, model, state):
        save(path, model, state)
        checkpoints[state.step] = path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", recording)
        train(complete, **FCN, **STATEFUL)
    yield complete, checkpoints
    disable_op_determinism()  # it is a setting of the process


def test_every_step_saves_a_checkpoint(steps_of_a_run):
    assert list(steps_of_a_run[1]) == [1, 2, 3, 4]


@pytest.mark.parametrize("step", [1, *(pytest.param(x, marks=SLOW) for x in (2, 3))])
def test_a_resumed_run_ends_bit_equal(
    step, steps_of_a_run, tiny, tiny_config, tmp_path
):
    """Within the first epoch, at its end, and in the second."""
    complete, checkpoints = steps_of_a_run
    if step >= STEPS:  # the folder has the files of an epoch
        shutil.copytree(complete, tmp_path, dirs_exist_ok=True)
    (tmp_path / CHECKPOINT).write_bytes(checkpoints[step])
    config = tiny_config(tmp_path, **FCN, **STATEFUL, resume=True)
    assert not fit(config, tiny, tmp_path)
    expected, found = outcome(complete), outcome(tmp_path)
    assert [name for name in expected if expected[name] != found[name]] == []


def test_resume_distinguishes_given_defaults_from_missing_options(steps_of_a_run):
    complete = str(steps_of_a_run[0])
    with pytest.raises(InputError, match="--ema 0.0: .* with 0.8, .*; leave the"):
        main(["--output", complete, "--resume", "--ema", "0"])
    recorded = read_recorded_config(steps_of_a_run[0])
    asked = TrainConfig(output=complete, resume=True, elastic=4.0)
    for given in ({"output", "resume", "elastic"}, {"output", "elastic"}):
        assert merge_resumed(asked, given, recorded) == replace(recorded, resume=True)


@pytest.mark.parametrize(("side", "strides"), [(128, (4,)), (192, (16,))])
def test_fast_rcnn_of_older_runs_keeps_its_one_stride(
    steps_of_a_run, reconfigure, side, strides, tmp_path
):
    shutil.copytree(steps_of_a_run[0], tmp_path / "run")
    older = {"model": "fast_rcnn", "strides": [], "size": [96, side]}
    reconfigure(tmp_path / "run", **older)
    assert read_recorded_config(tmp_path / "run").strides == strides
    reconfigure(tmp_path / "run", strides=[4, 8, 16])
    assert read_recorded_config(tmp_path / "run").strides == (4, 8, 16)


def test_resume_needs_the_same_data(steps_of_a_run, tiny_folder, tiny_config, tmp_path):
    other, run = tmp_path / "tiny", tmp_path / "run"
    shutil.copytree(tiny_folder, other)
    shutil.copy(other / "train/masks/s1.png", other / "train/masks/s0.png")
    shutil.copytree(steps_of_a_run[0], run)
    config = tiny_config(run, **FCN, **STATEFUL, resume=True, data=str(other))
    with pytest.raises(InputError, match="data have changed since.* other content"):
        fit(config, open_data(str(other)), run)
    shutil.copy(tiny_folder / "train/masks/s0.png", other / "train/masks/s0.png")
    assert not fit(config, open_data(str(other)), run)  # equal data in another folder


def test_resume_reuses_the_class_weights(
    weighted, reconfigure, tiny, tiny_config, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "run"
    shutil.copytree(weighted, folder)
    record = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    monkeypatch.setattr("kseg.data.class_weights.count_pixels", None)
    loss = {"loss": "ce+0.5*dice", "class_weights": "median"}
    assert not fit(tiny_config(folder, **loss, epochs=2, resume=True), tiny, folder)
    assert epochs_of(folder) == [1, 2]
    resumed = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    assert resumed["class_weights"] == record["class_weights"]
    assert "loss ce+0.5*dice, class weights: class 0 0." in capsys.readouterr().err
    with pytest.raises(InputError, match="--loss dice: .* with ce.0.5.dice, which"):
        main(["--output", str(folder), "--resume", "--loss", "dice"])


def test_resume_refuses_other_options(finer):
    arguments = ["--output", str(finer), "--resume"]
    with pytest.raises(InputError, match="--encoder-rate 0.5: .* with 0.0, which"):
        main([*arguments, "--encoder-rate", "0.5"])
    with pytest.raises(InputError, match="--init-from other: the resumed run"):
        main([*arguments, "--init-from", "other"])
    with pytest.raises(InputError, match="--upsampling bilinear: .* with nearest,"):
        main([*arguments, "--upsampling", "bilinear"])


@pytest.mark.slow
def test_resume_in_a_new_process_keeps_the_encoder_frozen(
    finer, coarse, reconfigure, tmp_path
):
    """The run of --init-from is no longer needed. The command writes the report."""
    folder = tmp_path / "run"
    shutil.copytree(finer, folder)
    reconfigure(folder, epochs=2, init_from=str(tmp_path / "gone"))
    process = start("kseg.train", "--output", str(folder), "--resume")
    log = process.communicate()[1]
    assert process.returncode == 0, log
    assert epochs_of(folder) == [1, 2] and (folder / METRICS).is_file()
    before, after = load_model(coarse / BEST), load_model(folder / BEST)
    state = read(folder / CHECKPOINT)
    assert state.step == 2 * STEPS
    assert state.record["config"]["encoder_rate"] == 0
    assert_equal_weights(after, before, inside_encoder(after))


def interrupted(process: subprocess.Popen, folder: Path, after: int) -> str:
    """Waits for `after` epochs, sends Ctrl-C and returns the log."""
    while len(epochs_of(folder)) < after:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    return process.communicate()[1]


@pytest.mark.slow
@needs_posix
def test_ctrl_c_saves_the_run_and_resume_continues(tiny_folder, tmp_path):
    folder = tmp_path / "run"
    small = "--model dense --width 2 --size 32x32 --batch-size 4 --epochs 5000".split()
    own = ["--data", str(tiny_folder), "--output", str(folder)]
    process = start("kseg.train", *own, *small)
    log = interrupted(process, folder, after=2)
    assert process.returncode == 130, log
    assert "Traceback" not in log
    assert "mean_iou" in json.loads((folder / METRICS).read_text(encoding="utf-8"))
    done = len(epochs_of(folder))
    assert done <= read(folder / CHECKPOINT).step / STEPS < done + 1

    process = start("kseg.train", "--output", str(folder), "--resume")
    log = interrupted(process, folder, after=done + 2)
    assert process.returncode == 130, log
    assert epochs_of(folder) == list(range(1, len(epochs_of(folder)) + 1))
    assert not list(folder.glob(".*part*"))
    record = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    assert record["config"]["epochs"] == 5000

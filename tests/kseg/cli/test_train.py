import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from PIL import Image
from tensorflow.python.framework.config import disable_op_determinism

from benchmarks.resume import outcome
from edge.core.errors import InputError
from edge.model_file.info import InputGeometry
from edge.model_file.metadata import read_info
from edge.video import scenes
from kseg.cli.train import main
from kseg.core.configs import TrainConfig, from_record
from kseg.core.runs import CHECKPOINT
from kseg.data.class_weights import class_weights, count_pixels
from kseg.data.open import open_data
from kseg.models.keras_engine import KerasEngine
from kseg.models.layers.norm import BatchNorm
from kseg.models.saving import load_model, save_model
from kseg.training import checkpoint
from kseg.training.checkpoint import read
from kseg.training.fit import fit
from kseg.training.setup import (
    compile_for,
    crop_size,
    fit_batch_norm,
    new_loss,
    new_network,
)
from tests.support.engines import only

ROOT = Path(__file__).parents[3]
SMALL = ["--width", "4", "--batch-size", "4", "--size", "64x64"]
PAPER = ["--model", "unet_paper", "--width", "4"]
METRICS = {
    "images",
    "pixels",
    "mean_iou",
    "pixel_accuracy",
    "mean_accuracy",
    "frequency_weighted_iou",
    "per_class_iou",
    "boundary_iou",
    "boundary_distance_of_diagonal",
    "per_class_boundary_iou",
    "mean_iou_per_image",
    "component_ap50",
    "per_class_component_ap50",
}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_leaves_what_the_contract_names(trained):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert set(metrics) == METRICS
    assert metrics["images"] == 4 and metrics["pixels"] == 4 * 64 * 80
    assert tuple(metrics["per_class_iou"]) == scenes.CLASSES
    with (trained / "history.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["1", "2"]
    pages = ("report.html", "curves.png", "confusion.png")
    for name in ("model.keras", "last.keras", *pages):
        assert (trained / name).stat().st_size > 1000
    assert not list(trained.glob(".*part*"))
    # Three pictures a row, four rows, and a column of names.
    assert cv2.imread(str(trained / "samples.png")).shape[1] > 3 * 320


def test_the_shown_metric_is_the_reported_one(trained):
    """Keras's metric over batches and the SemanticPredictor's over files are one
    definition."""
    reported = json.loads((trained / "metrics.json").read_text())["mean_iou"]
    with (trained / "history.csv").open() as file:
        best = max(float(line["val_mean_iou"]) for line in csv.DictReader(file))
    assert best == pytest.approx(reported, abs=2e-4)


def test_models_carry_no_optimizer_state(trained):
    """AdamW keeps two more numbers per weight; only --resume needs them."""
    for name in ("model", "last"):
        with zipfile.ZipFile(trained / f"{name}.keras") as archive:
            state = archive.getinfo("model.weights.h5").file_size
        assert state < 0.6 * (trained / CHECKPOINT).stat().st_size
        assert not load_model(trained / f"{name}.keras", compile=True).compiled
    assert read(trained / CHECKPOINT).step == 2 * 4


def test_the_model_describes_itself(trained):
    info = read_info(trained / "model.keras")
    assert info.names == scenes.CLASSES
    assert info.colors == scenes.COLORS
    assert info.geometry.minimum == 16
    assert info.run["model"] == "unet"


def test_a_run_is_never_overwritten_unasked(trained, data_folder):
    before = digest(trained / "model.keras")
    with pytest.raises(InputError, match="holds a run already"):
        main(["--data", str(data_folder), "--output", str(trained), *SMALL])
    assert digest(trained / "model.keras") == before


def test_files_that_are_no_run_are_not_touched(data_folder, tmp_path):
    (tmp_path / "holiday.png").write_text("mine")
    (tmp_path / "precious.tflite").write_text("mine")
    arguments = ["--data", str(data_folder), "--output", str(tmp_path), *SMALL]
    assert main([*arguments, "--epochs", "1"]) == 0
    assert (tmp_path / "holiday.png").read_text() == "mine"
    assert (tmp_path / "precious.tflite").read_text() == "mine"


@pytest.mark.parametrize("name", ["samples.png", "report.html", "tensorboard"])
def test_a_file_of_a_name_that_training_writes_is_kept(name, data_folder, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="holds a run already"):
        main(["--data", str(data_folder), "--output", str(tmp_path), *SMALL])
    assert (tmp_path / name).read_text() == "mine"


def test_resume_refuses_what_would_be_another_run(trained, data_folder):
    arguments = ["--output", str(trained), "--resume"]
    with pytest.raises(
        InputError, match="--epochs 27: --resume goes on .* 2; leave it"
    ):
        main([*arguments, "--epochs", "27"])
    with pytest.raises(InputError, match="give one of them"):
        main([*arguments, "--overwrite"])


def test_overwrite_removes_what_belonged_to_the_old_run(data_folder, tmp_path):
    arguments = ["--data", str(data_folder), "--output", str(tmp_path), *SMALL]
    for stale in ("int8.tflite", "parity.json", "config.json"):
        (tmp_path / stale).write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "tensorboard").mkdir()
    assert main([*arguments, "--epochs", "1", "--overwrite"]) == 0
    assert not (tmp_path / "tensorboard").exists()
    assert not (tmp_path / "int8.tflite").exists()
    assert not (tmp_path / "parity.json").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--data", "no/such/folder"], "no/such/folder: no such data folder"),
        (["--model", "unett"], "fcn16s"),
        (["--epochs", "0"], "from 1 up"),
        (["--size", "64"], "HEIGHTxWIDTH"),
        (["--weights", "imagenet"], "plain encoder has no pretrained weights"),
        (["--resume"], "to --resume from"),
        (["--encoder-rate", "1.5"], "--encoder-rate 1.5: is a share, 0 to 1"),
        (["--model", "dense", "--encoder-rate", "0.5"], "dense has no encoder"),
        (["--model", "patch", "--encoder-rate", "0"], "patch has no encoder"),
        ([*PAPER, "--encoder-rate", "0"], "unet_paper has no encoder"),
        ([*PAPER, "--size", "200x188"], "the next is 204x204"),
        ([*PAPER, "--size", "64x64"], "the next is 204x204"),
        (["--model", "patch", "--size", "64x64"], "46 . k . 8 pixels.* 70x70"),
        (["--model", "fcn32s", "--size", "16x64"], "network's minimum is 32x32"),
        (
            ["--upsampling", "unpool", "--encoder", "mobilenetv2", "--alpha", "0.35"],
            "mobilenetv2 has no 2x2 max pooling",
        ),
        (["--fc-width", "8"], "unet on plain takes no `fc_width`, got 8"),
        (["--alpha", "0.5"], "unet on plain takes no `alpha`, got 0.5"),
        (
            ["--model", "dense", "--upsampling", "nearest"],
            "dense takes no `upsampling`",
        ),
        (["--model", "patch", "--encoder", "vgg16"], "patch .* takes no encoder vgg16"),
        (["--weights", "gone.weights.h5"], "a file, got 'gone.weights.h5'"),
        (["--init-from", "no/run"], "no/run: no such run folder or model file"),
        (["--loss", "ce+dyce"], "--loss 'ce.dyce': 'dyce' is none of ce, dice, focal"),
        (["--loss", "2*ce+x*dice"], "'x' is no factor over 0"),
        (["--class-weights", "mean"], "none.*median.*log"),
        (
            ["--loss", "dice", "--class-weights", "log"],
            "--loss 'dice': takes no --class-weights: .* add one of ce, focal, ohem",
        ),
        (
            ["--loss", "lovasz+dice", "--border-weight", "10"],
            "--loss 'lovasz.dice': takes no --border-weight",
        ),
    ],
)
def test_bad_use_is_one_line(arguments, complaint, tmp_path):
    with pytest.raises(InputError, match=complaint) as caught:
        main(["--output", str(tmp_path / "run"), *arguments])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("least", "step", "border", "expected"),
    [
        (1, 1, 0, (64, 64)),  # the images' 64x80 in whole steps of 32
        (188, 16, 92, (252, 252)),  # 64 + 2 * 92 is 248
        (46, 8, 19, (102, 102)),  # 64 + 2 * 19 is 102
    ],
)
def test_the_default_crop_is_what_the_network_needs_to_see(
    data, least, step, border, expected
):
    info = replace(
        data.info, geometry=InputGeometry(least=least, step=step, border=border)
    )
    assert crop_size(TrainConfig(), data, info) == expected
    assert crop_size(TrainConfig(size=expected), data, info) == expected


@pytest.mark.parametrize(
    "arguments",
    [[], ["--model", "fcn32s"], ["--encoder", "mobilenetv2", "--alpha", "0.35"]],
    ids=["unet", "fcn32s", "mobilenetv2"],
)
def test_weights_of_another_network_are_refused(arguments, tmp_path):
    import keras

    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    path = tmp_path / "other.weights.h5"
    other.save_weights(path)
    with pytest.raises(InputError, match="other.weights.h5: .* do not fit") as caught:
        main(["--output", str(tmp_path / "run"), "--weights", str(path), *arguments])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_refusal_leaves_the_run_that_would_be_overwritten(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    arguments = ["--output", str(folder), "--overwrite", "--model", "patch"]
    with pytest.raises(InputError, match="the next is 70x70"):
        main([*arguments, "--size", "64x64"])
    for path in filter(Path.is_file, trained.rglob("*")):
        assert digest(folder / path.relative_to(trained)) == digest(path)


def test_an_image_below_the_minimum_is_refused_before_training(tmp_path):
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
            array = np.zeros((10, 40), np.uint8)
            Image.fromarray(array).save(tmp_path / split / kind / "a.png")
    with pytest.raises(InputError, match="10x40 is smaller than the network's minimum"):
        main(["--data", str(tmp_path), "--output", str(tmp_path / "run"), *SMALL])


def test_a_refusal_is_status_2_and_one_line_without_traceback(tmp_path):
    process = start("kseg.train", "--data", str(tmp_path / "gone"))
    _, errors = process.communicate()
    assert process.returncode == 2
    assert len(errors.strip().splitlines()) == 1
    assert "gone" in errors and "Traceback" not in errors


def epochs_of(folder: Path) -> list[int]:
    path = folder / "history.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return [int(line["epoch"]) for line in csv.DictReader(file)]


def interrupted(process: subprocess.Popen, folder: Path, after: int) -> str:
    """Waits for `after` epochs, presses Ctrl-C, returns what was logged."""
    while len(epochs_of(folder)) < after:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    return process.communicate()[1]


# Exact resume


TRICKS = "--elastic 4 --noise 0.02 --loss ce+dice --ema 0.8 --deterministic".split()
DROPOUT = "--model fcn8s --fc-width 8 --epochs 2 --save-seconds 0".split()


@pytest.fixture(scope="module")
def steps_of_a_run(data_folder, tmp_path_factory):
    """A run of 2 epochs of 4 steps, and the checkpoint after each of its steps."""
    folder = tmp_path_factory.mktemp("exact")
    whole, kept, save = folder / "whole", {}, checkpoint.save

    def keeping(path, model, progressed):
        save(path, model, progressed)
        kept[progressed.step] = path.read_bytes()

    arguments = ["--data", str(data_folder), "--output", str(whole), *SMALL]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", keeping)
        assert main([*arguments, *DROPOUT, *TRICKS]) == 0
    yield whole, kept
    disable_op_determinism()  # which is the whole process's


def test_every_step_leaves_a_checkpoint(steps_of_a_run):
    assert list(steps_of_a_run[1]) == list(range(1, 9))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "step", [3, 4, pytest.param(1, marks=SLOW), pytest.param(7, marks=SLOW)]
)
def test_a_resumed_run_ends_bit_equal(step, steps_of_a_run, tmp_path):
    """Within the first epoch, at its end, and in the second."""
    whole, kept = steps_of_a_run
    if step > 4:  # as it was left: an epoch's files, and a later checkpoint
        shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (tmp_path / CHECKPOINT).write_bytes(kept[step])
    assert main(["--output", str(tmp_path), "--resume"]) == 0
    expected, found = outcome(whole), outcome(tmp_path)
    assert [name for name in expected if expected[name] != found[name]] == []


def test_resume_tells_a_default_from_what_was_not_given(steps_of_a_run):
    whole = str(steps_of_a_run[0])
    with pytest.raises(InputError, match="--ema 0.0: --resume .* own, 0.8; leave it"):
        main(["--output", whole, "--resume", "--ema", "0"])
    assert main(["--output", whole, "--resume", "--elastic", "4"]) == 0


def test_resume_wants_the_same_data(steps_of_a_run, data_folder, tmp_path):
    other = tmp_path / "tiny"
    shutil.copytree(data_folder, other)
    shutil.copy(other / "train/masks/s1.png", other / "train/masks/s0.png")
    run = tmp_path / "run"
    shutil.copytree(steps_of_a_run[0], run)
    arguments = ["--output", str(run), "--resume", "--data", str(other)]
    with pytest.raises(InputError, match="not what the run began with.* other content"):
        main(arguments)
    shutil.copy(data_folder / "train/masks/s0.png", other / "train/masks/s0.png")
    assert main(arguments) == 0  # the same, elsewhere


def test_training_ends_after_so_many_epochs_without_gain(data_folder, tmp_path):
    """With a learning rate of almost nothing, nothing gets better."""
    still = "--learning-rate 1e-12 --weight-decay 0 --patience 2 --epochs 9".split()
    # Batch norms learn even so: at a momentum of almost 1 they do not either.
    arguments = ["--data", str(data_folder), "--output", str(tmp_path), *SMALL, *still]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kseg.train.fit_batch_norm", lambda model, steps: None)
        assert main([*arguments, "--model", "unet_paper", "--size", "204x204"]) == 0
    assert epochs_of(tmp_path) == [1, 2, 3]
    assert main(["--output", str(tmp_path), "--resume"]) == 0
    assert epochs_of(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("float16", marks=SLOW)])
def test_what_is_kept_of_a_half_precision_run_is_float32(
    precision, data_folder, tmp_path
):
    arguments = ["--data", str(data_folder), "--output", str(tmp_path), *SMALL]
    half = ["--epochs", "1", "--precision", precision, "--ema", "0.5"]
    assert main([*arguments, *half]) == 0
    model = load_model(tmp_path / "model.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    with (tmp_path / "history.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert 0 < float(line["loss"]) < 5
    assert float(line["val_mean_iou"]) == pytest.approx(
        json.loads((tmp_path / "metrics.json").read_text())["mean_iou"], abs=2e-4
    )


def test_batch_norms_remember_half_an_epoch(data):
    model = new_network(TrainConfig(width=4), data)
    for steps, momentum in ((45, 1 - 2 / 45), (4, 0.9), (1000, 0.99)):
        fit_batch_norm(model, steps)
        norms = [x for x in model.layers if isinstance(x, BatchNorm)]
        assert norms
        for norm in norms:
            assert norm.momentum == pytest.approx(momentum)


@pytest.mark.slow
def test_ctrl_c_keeps_the_run_and_resume_goes_on(data_folder, tmp_path):
    folder = tmp_path / "run"
    arguments = ["--data", str(data_folder), "--output", str(folder), *SMALL]
    process = start("kseg.train", *arguments, "--epochs", "500")
    log = interrupted(process, folder, after=2)
    assert process.returncode == 130, log
    assert "Traceback" not in log
    assert set(json.loads((folder / "metrics.json").read_text())) == METRICS
    done = len(epochs_of(folder))
    assert done <= read(folder / CHECKPOINT).step / 4 < done + 1

    process = start("kseg.train", "--output", str(folder), "--resume")
    log = interrupted(process, folder, after=done + 2)
    assert process.returncode == 130, log
    assert epochs_of(folder) == list(range(1, len(epochs_of(folder)) + 1))
    assert not list(folder.glob(".*part*"))
    record = json.loads((folder / "config.json").read_text())
    assert record["config"]["epochs"] == 500


def test_a_file_that_goes_bad_during_training_is_named(data_folder, tmp_path):
    """Sound when checked, damaged when read: one line, not TensorFlow's page."""
    folder = tmp_path / "data"
    shutil.copytree(data_folder, folder)
    data = open_data(str(folder))
    victim = folder / "train" / "images" / "s3.png"
    victim.write_bytes(victim.read_bytes()[:200])
    config = TrainConfig(data=str(folder), epochs=1, batch_size=4, width=4)
    with pytest.raises(InputError, match="s3.png: the file ends early"):
        fit(config, data, tmp_path)


# The loss and its class weights


@pytest.fixture(scope="module")
def weighted(data_folder, tmp_path_factory) -> Path:
    """A run of a sum of losses with class weights."""
    folder = tmp_path_factory.mktemp("runs") / "weighted"
    own = options(data=data_folder, output=folder, epochs=1)
    loss = options(loss="ce+0.5*dice", class_weights="median")
    assert main([*own, *loss, *SMALL]) == 0
    return folder


def test_class_weights_are_recorded_and_in_the_loss(weighted, data):
    record = json.loads((weighted / "config.json").read_text())
    by_name = record["class_weights"]
    expected = class_weights("median", count_pixels(data.split("train"), len(by_name)))
    assert tuple(by_name) == data.names and tuple(by_name.values()) == expected
    config = from_record(TrainConfig, record["config"])
    for counted in (None, by_name):
        loss = new_loss(config, data, counted)
        assert (loss.spec, loss.class_weights) == ("ce+0.5*dice", expected)


def test_a_run_without_class_weights_records_none(trained):
    assert json.loads((trained / "config.json").read_text())["class_weights"] is None


def test_resume_does_not_count_again(
    weighted, reconfigure, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "run"
    shutil.copytree(weighted, folder)
    record = json.loads((folder / "config.json").read_text())
    reconfigure(folder, epochs=2)
    monkeypatch.setattr("kseg.class_weights.count_pixels", None)
    assert main(["--output", str(folder), "--resume"]) == 0
    assert epochs_of(folder) == [1, 2]
    resumed = json.loads((folder / "config.json").read_text())
    assert resumed["class_weights"] == record["class_weights"]
    assert "loss ce+0.5*dice, class weights: background 0." in capsys.readouterr().err
    with pytest.raises(InputError, match="--loss dice: --resume .* own, ce.0.5.dice;"):
        main(["--output", str(folder), "--resume", "--loss", "dice"])


# Fine-tuning: from coarse to fine, with an encoder that learns less or not at all

# Nearest neighbours twice and then sixteen times are those of 32 times: with skip
# scores of zero the finer net gives what the coarser gave.
FCN = {"upsampling": "nearest", "width": 4, "fc_width": 8}


def options(**values) -> list[str]:
    """TrainConfig's fields as a command line."""
    pairs = ((f"--{k.replace('_', '-')}", str(v)) for k, v in values.items())
    return [word for pair in pairs for word in pair]


@pytest.fixture(scope="module")
def data(data_folder):
    return open_data(str(data_folder))


@pytest.fixture(scope="module")
def coarse(data_folder, tmp_path_factory) -> Path:
    """A run of FCN-32s."""
    folder = tmp_path_factory.mktemp("runs") / "fcn32s"
    own = options(data=data_folder, output=folder, model="fcn32s", epochs=1, **FCN)
    assert main([*own, *SMALL[2:]]) == 0
    return folder


@pytest.fixture(scope="module")
def finer(data_folder, coarse, tmp_path_factory) -> Path:
    """A run of FCN-16s that began as `coarse` and left its encoder alone."""
    folder = tmp_path_factory.mktemp("runs") / "fcn16s"
    own = options(data=data_folder, output=folder, model="fcn16s", epochs=1, **FCN)
    stage = options(init_from=coarse, encoder_rate=0)
    assert main([*own, *stage, *SMALL[2:]]) == 0
    return folder


def weights_of(model) -> dict[str, np.ndarray]:
    """layer/number -> array, batch norm's statistics included."""
    return {
        f"{layer.name}/{index}": array
        for layer in model.layers
        for index, array in enumerate(layer.get_weights())
    }


def assert_equal_weights(model, other, names) -> None:
    ours, theirs = weights_of(model), weights_of(other)
    for name in names:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def inside_encoder(model) -> list[str]:
    names = [name for name in weights_of(model) if name.startswith("encoder_")]
    assert any("_bn/" in name for name in names)
    return names


def test_a_frozen_encoder_stays_as_it_was(coarse, finer):
    before, after = (load_model(run / "last.keras") for run in (coarse, finer))
    assert_equal_weights(after, before, inside_encoder(after))


def test_what_follows_a_frozen_encoder_learns(coarse, finer):
    before, after = (
        weights_of(load_model(run / "last.keras")) for run in (coarse, finer)
    )
    learned = {name for name in before if name.startswith(("fc", "score32"))}
    assert learned and learned <= set(after)
    for name in learned:
        assert not np.array_equal(before[name], after[name]), name
    assert np.abs(after["score16/0"]).max() > 0  # it began as zero


@pytest.mark.parametrize(("model", "skip"), [("fcn16s", "16"), ("fcn8s", "8")])
def test_a_finer_net_starts_as_the_coarser(model, skip, coarse, finer, data, capsys):
    run = coarse if model == "fcn16s" else finer
    start = load_model(run / "model.keras")
    network = new_network(TrainConfig(model=model, init_from=str(run), **FCN), data)
    assert_equal_weights(network, start, weights_of(start))
    added = {f"score{skip}/0", f"score{skip}/1"}
    assert set(weights_of(network)) - set(weights_of(start)) == added
    assert f"starting from {run}; new: score{skip}\n" in capsys.readouterr().err
    picture, _ = data.split("val").read(0)
    expected = only(KerasEngine(start), picture)
    assert np.std(expected) > 1e-3
    np.testing.assert_allclose(only(KerasEngine(network), picture), expected, atol=1e-5)


def test_enlargements_that_the_run_has_not_learned_start_anew(
    coarse, finer, data, capsys
):
    learned = {**FCN, "upsampling": "transposed"}
    for run, model, new in (
        (coarse, "fcn16s", "up16, score16, score_up"),
        (finer, "fcn8s", "up16, up8, score8, score_up"),  # there up16 has no weights
    ):
        config = TrainConfig(model=model, init_from=str(run), **learned)
        network, start = new_network(config, data), load_model(run / "model.keras")
        assert f"new: {new}\n" in capsys.readouterr().err
        assert_equal_weights(network, start, weights_of(start))


def test_scores_of_other_classes_start_anew(coarse, data, capsys):
    fewer = replace(data, names=data.names[:3], colors=data.colors[:3])
    config = TrainConfig(model="fcn32s", init_from=str(coarse), **FCN)
    network, start = new_network(config, fewer), load_model(coarse / "model.keras")
    assert network.output_shape[-1] == 3
    assert "new: score32\n" in capsys.readouterr().err
    same = {name for name in weights_of(start) if not name.startswith("score")}
    assert_equal_weights(network, start, same)


@pytest.mark.parametrize(
    ("model", "score"),
    [
        ("unet_paper", "logits"),
        ("patch", "score"),
        ("dense", "score"),
        ("segnet", "score"),
        ("hypercolumn", "score"),
    ],
)
def test_each_network_takes_on_other_classes(model, score, data, tmp_path, capsys):
    path = tmp_path / "model.keras"
    config = TrainConfig(model=model, width=4)
    first = new_network(config, data)
    save_model(first, path, data.info)
    fewer = replace(data, names=data.names[:3], colors=data.colors[:3])
    network = new_network(replace(config, init_from=str(path), seed=1), fewer)
    assert f"new: {score}\n" in capsys.readouterr().err
    same = {name for name in weights_of(first) if not name.startswith(score)}
    assert_equal_weights(network, first, same)


def test_another_decoder_takes_the_encoder_alone(coarse, data):
    config = TrainConfig(model="unet", init_from=str(coarse), width=4)
    network, start = new_network(config, data), load_model(coarse / "model.keras")
    assert_equal_weights(network, start, inside_encoder(network))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"encoder": "alexnet", "width": None}, "encoder_conv1_conv is not there"),
        ({"width": 6}, r"encoder_down1_1_conv has the shape \(3, 3, 3, 4\) there"),
        ({"fc_width": 9}, r"fc6_conv has the shape \(3, 3, 64, 8\) there"),
    ],
    ids=["encoder", "width", "fc_width"],
)
def test_a_run_of_another_network_is_no_start(coarse, data, change, complaint):
    config = TrainConfig(model="fcn16s", init_from=str(coarse), **{**FCN, **change})
    with pytest.raises(InputError, match=f"another network: {complaint}.*") as caught:
        new_network(config, data)
    assert str(coarse) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_no_keras_model_is_no_start(data, tmp_path):
    path = tmp_path / "int8.tflite"
    path.write_bytes(b"TFL3")
    with pytest.raises(InputError, match="int8.tflite: is no Keras model"):
        new_network(TrainConfig(init_from=str(path)), data)


def test_an_encoder_at_a_tenth_makes_a_tenth_of_each_update(data):
    random = np.random.RandomState(0)
    images = random.uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    masks = random.randint(0, data.num_classes, (2, 32, 32))
    steps = []
    for rate in (1.0, 0.1):
        config = TrainConfig(width=4, encoder_rate=rate, weight_decay=0.1)
        model = new_network(config, data)
        compile_for(model, config, data, total_steps=4)  # too few for a warm-up
        model.run_eagerly = True  # test_optimizer has a traced step
        before = weights_of(model)
        model.train_on_batch(images, masks)
        after = weights_of(model)
        steps.append({name: after[name] - before[name] for name in before})
    whole, part = steps
    scaled = 0
    for name, step in whole.items():
        share = 1.0
        if name.startswith("encoder_") and not name.endswith(("_bn/2", "_bn/3")):
            share, scaled = 0.1, scaled + 1
        np.testing.assert_allclose(
            part[name], share * step, rtol=1e-3, atol=3e-7, err_msg=name
        )
    assert scaled == 10 * 3  # of ten convolutions kernel, scale and offset


def test_resume_refuses_another_share_or_start(finer, coarse):
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
    """And needs the run no more that it began with."""
    folder = tmp_path / "run"
    shutil.copytree(finer, folder)
    reconfigure(folder, epochs=2, init_from=str(tmp_path / "gone"))
    process = start("kseg.train", "--output", str(folder), "--resume")
    log = process.communicate()[1]
    assert process.returncode == 0, log
    assert epochs_of(folder) == [1, 2]
    before = load_model(coarse / "last.keras")
    after = load_model(folder / "last.keras")
    progressed = read(folder / CHECKPOINT)
    assert progressed.step == 2 * 4
    assert progressed.record["config"]["encoder_rate"] == 0
    assert_equal_weights(after, before, inside_encoder(after))

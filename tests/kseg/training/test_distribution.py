"""Several devices and several processes, compared with one."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.core.runs import read_history
from kseg.data.loading.batches import training_batches, validation_batches
from kseg.data.loading.reader import CachedReader
from kseg.data.open import open_data
from kseg.models.saving import load_model
from kseg.training.distribution.environment import process_group
from kseg.training.distribution.supervisor import EXIT_PEER_LOST
from tests.support.posix import needs_posix

ROOT = Path(__file__).parents[3]
SLURM = {"SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_PROCID": "1"}
TINY = ["--model", "dense", "--width", "2", "--size", "32x32", "--batch-size", "4"]
EPOCHS = 12
# Several devices add up numbers in another order, so the last digits differ and the
# difference grows with each step. After 48 steps losses differed by 1.2e-4 and weights
# by 1.6e-3; two devices in one process and in two gave equal results.
FIRST_TOLERANCE, LOSS_TOLERANCE, WEIGHT_TOLERANCE = 1e-5, 1e-3, 5e-3


# --- options and environment ---


def test_kubernetes_gives_the_process_index(monkeypatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    config = TrainConfig(distribute=True, coordinator="job-0.pods:99", processes=3)
    assert process_group(config) == ProcessGroup(2, 3, coordinator="job-0.pods:99")


def test_slurm_gives_the_whole_process_group(monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_JOB_ID", "4098")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert process_group(TrainConfig(distribute=True)) == ProcessGroup()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    expected = ProcessGroup(1, 2, coordinator="127.0.0.1:61442")
    assert process_group(TrainConfig(distribute=True)) == expected
    assert process_group(TrainConfig()) == ProcessGroup()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"process": 0}, "--process: has no effect without --distribute"),
        ({"distribute": True, "processes": 2}, "--processes: needs --coordinator"),
        ({"distribute": True, "coordinator": "host"}, "host: must be HOST:PORT"),
        ({"distribute": True, "coordinator": "h:1"}, "--processes N and --process 0"),
        (
            {"distribute": True, "coordinator": "h:1", "processes": 2, "process": 2},
            "--process 2: out of range; with --processes 2 use 0 to 1",
        ),
    ],
)
def test_the_error_for_incomplete_options_is_one_line(options, message):
    with pytest.raises(InputError, match=message) as caught:
        process_group(TrainConfig(**options))
    assert "\n" not in str(caught.value)


# --- the part of each batch ---


def test_the_parts_of_a_training_batch_make_up_the_batch(data_folder):
    data = open_data(str(data_folder))
    config = TrainConfig(batch_size=4, rotate=5)
    reader = CachedReader(data.split("train"), 1024)

    def batches(group: ProcessGroup) -> list:
        found = training_batches(reader, config, (32, 32), 3, 3, group=group).take(2)
        return [(image.numpy(), mask.numpy()) for image, mask in found]

    parts = [batches(ProcessGroup(process, 2, 2)) for process in range(2)]
    for step, whole in enumerate(batches(ProcessGroup())):
        for kind, expected in enumerate(whole):
            found = np.concatenate([part[step][kind] for part in parts])
            np.testing.assert_array_equal(found, expected)


def test_validation_images_are_read_once_and_padded_with_void(data_folder):
    """Four images in batches of three on two devices: 3 + 1 copy, 1 + 1 copy."""
    data = open_data(str(data_folder))
    reader = CachedReader(data.split("val"), 1024)
    seen = []
    for process in range(2):
        group = ProcessGroup(process, 2, 2)
        seen.append(
            [m.numpy() for _, m in validation_batches(reader, 3, 3, group=group)]
        )
    assert [[len(mask) for mask in part] for part in seen] == [[2, 1], [2, 1]]
    masks = [reader.read(index)[1] for index in range(4)]
    np.testing.assert_array_equal(np.concatenate(seen[0]), np.take(masks, (0, 1, 3), 0))
    np.testing.assert_array_equal(seen[1][0][0], masks[2])
    assert (seen[1][0][1] == 255).all() and (seen[1][1] == 255).all()


# --- one machine ---

REPLICAS = """
import sys, keras, numpy as np, tensorflow as tf
from kseg.training.losses.segmentation import SegmentationLoss
from kseg.evaluation.metrics.keras_metrics import MeanIoU
from kseg.models import build_model
from kseg.training.optimizer import AdamW
loss, frozen = sys.argv[1], sys.argv[2] == "frozen"
(processor,) = tf.config.list_physical_devices("CPU")
logical = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, logical)
random = np.random.RandomState(0)
images = random.uniform(0, 255, (8, 32, 32, 3)).astype("float32")
masks = random.randint(0, 3, (8, 32, 32)).astype("uint8")
masks[:3, :20] = 255  # replicas have different numbers of valid pixels
batches = tf.data.Dataset.from_tensor_slices((images, masks)).batch(4)
results = []
for count in (1, 2):
    places = [f"CPU:{index}" for index in range(count)]
    strategy = tf.distribute.MirroredStrategy(places)
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = build_model("unet", 3, "plain", width=2)
        norms = [layer for layer in model.layers if layer.name.endswith("_bn")]
        for layer in norms if frozen else ():
            layer.trainable = False
        optimizer = AdamW(1e-3, encoder_rate=0.5)
        model.compile(optimizer, SegmentationLoss(loss), metrics=[MeanIoU(3)])
    fit = model.fit(batches, epochs=2, verbose=0, validation_data=batches)
    results.append((fit.history, model.get_weights()))
    for norm in norms:  # all replicas have the same running statistics
        values = strategy.experimental_local_results(norm.moving_mean.value)
        np.testing.assert_array_equal(values[0], values[-1])
assert norms
(one, weights), (two, others) = results
rounding = {"rtol": 1e-5, "atol": 2e-6} if frozen else {"rtol": 0.02}
np.testing.assert_allclose(two["loss"], one["loss"], **rounding)
if frozen:
    np.testing.assert_allclose(two["val_loss"], one["val_loss"], **rounding)
    for name in ("mean_iou", "val_mean_iou"):
        np.testing.assert_allclose(two[name], one[name], atol=1e-6, err_msg=name)
    for found, expected in zip(others, weights, strict=True):
        np.testing.assert_allclose(found, expected, **rounding)
"""


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize(
    ("loss", "norms"), [("ce+focal+0.5*dice", "frozen"), ("ce", "own")]
)
def test_two_replicas_of_tensorflow_equal_one_device(loss, norms):
    """Up to rounding with frozen batch norm; else each replica has other statistics."""
    process = subprocess.run(
        [sys.executable, "-c", REPLICAS, loss, norms],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr


def start(backend: str, *arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "kseg.train", *arguments],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen, status: int) -> str:
    """Waits for a process, checks its exit status and returns its log."""
    try:
        _, log = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == status, log
    assert "Traceback" not in log
    return log


@pytest.mark.slow
@pytest.mark.distributed
def test_tensorflow_trains_on_two_devices(data_folder, tmp_path):
    folder = tmp_path / "run"
    options = [*TINY, "--data", str(data_folder), "--output", str(folder)]
    devices = ["--distribute", "--devices", "2"]
    log = ended(start("tensorflow", *options, *devices, "--epochs", "2"), 0)
    assert "processes: 1, devices: 2; each device gets 2 of the 4 images" in log
    assert [line["epoch"] for line in read_history(folder / "history.csv")] == [1, 2]
    assert (
        json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["images"] == 4
    )


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize(
    ("backend", "arguments", "message"),
    [
        ("tensorflow", ["--devices", "3"], "--batch-size 4: 3 devices cannot share"),
        (
            "tensorflow",
            ["--coordinator", "127.0.0.1:9", "--processes", "2", "--process", "1"],
            "several processes need JAX; pip install -e '.[jax]' and set KERAS_BACKEND",
        ),
        ("torch", [], "--distribute: not supported on torch; set KERAS_BACKEND=jax"),
    ],
)
def test_the_error_for_an_unsupported_backend_is_one_line(
    backend, arguments, message, data_folder, tmp_path
):
    if backend == "torch":
        pytest.importorskip("torch")
    options = [*TINY, "--data", str(data_folder), "--output", str(tmp_path / "run")]
    log = ended(start(backend, *options, "--distribute", *arguments), 2)
    assert message in log.splitlines()[-1]


# --- several processes ---


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_both(*options: str, **differing: list[str]) -> list[subprocess.Popen]:
    """Starts two processes; `process0` and `process1` are extra options of one."""
    shared = ["--distribute", "--coordinator", f"127.0.0.1:{free_port()}"]
    return [
        start(
            "jax",
            *(*options, *shared, "--processes", "2", "--process", str(process)),
            *differing.get(f"process{process}", []),
        )
        for process in range(2)
    ]


def after_epochs(folder: Path, count: int, processes: list[subprocess.Popen]) -> None:
    while not (folder / "history.csv").is_file() or (
        len(read_history(folder / "history.csv")) < count
    ):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)


def assert_same_run(
    folder: Path, expected: Path, loss: float = 1e-6, weight: float = 1e-6
) -> None:
    """Asserts that loss curves and final weights are equal within tolerances."""
    found, curve = (read_history(run / "history.csv") for run in (folder, expected))
    assert [line["epoch"] for line in found] == [line["epoch"] for line in curve]
    for name in ("loss", "val_loss"):
        values = ([line[name] for line in lines] for lines in (found, curve))
        np.testing.assert_allclose(*values, rtol=loss, err_msg=name)
    weights = [
        load_model(run / "last.keras").get_weights() for run in (folder, expected)
    ]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=weight)


def assert_same_but_for_rounding(folder: Path, single_device: Path) -> None:
    first, other = (
        read_history(run / "history.csv")[0] for run in (folder, single_device)
    )
    assert first["loss"] == pytest.approx(other["loss"], rel=FIRST_TOLERANCE)
    assert_same_run(folder, single_device, LOSS_TOLERANCE, WEIGHT_TOLERANCE)


@pytest.fixture(scope="module")
def options(data_folder) -> list[str]:
    """Options of a small run with augmentation."""
    pytest.importorskip("jax", reason="several processes train on JAX")
    return [*TINY, "--data", str(data_folder), "--epochs", str(EPOCHS)]


@pytest.fixture(scope="module")
def single_device(options, tmp_path_factory) -> Path:
    """The run of `options` by one process on one device."""
    folder = tmp_path_factory.mktemp("runs") / "single_device"
    ended(start("jax", *options, "--output", str(folder)), 0)
    return folder


@pytest.fixture(scope="module")
def two_devices(options, tmp_path_factory) -> Path:
    """The run of `options` by one process on two devices."""
    folder = tmp_path_factory.mktemp("runs") / "two_devices"
    own = ["--output", str(folder), "--distribute", "--devices", "2"]
    ended(start("jax", *options, *own), 0)
    return folder


@pytest.mark.slow
@pytest.mark.distributed
def test_two_devices_of_jax_equal_one(two_devices, single_device):
    assert_same_but_for_rounding(two_devices, single_device)


@pytest.mark.slow
@pytest.mark.distributed
def test_two_processes_under_slurm_equal_one(
    options, single_device, two_devices, tmp_path
):
    folder = tmp_path / "run"
    step = SLURM | {"SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_ID": str(free_port())}
    own = ["--output", str(folder), "--distribute"]
    both = [
        start("jax", *options, *own, **step | {"SLURM_PROCID": str(process)})
        for process in range(2)
    ]
    log, other = (ended(process, 0) for process in both)
    assert "processes: 2, devices: 2; each device gets 2 of the 4 images" in log
    assert len(other.splitlines()) == 1  # which names process 0
    assert_same_but_for_rounding(folder, single_device)
    assert_same_run(folder, two_devices)
    assert (folder / "samples.png").is_file()


@pytest.mark.slow
@pytest.mark.distributed
@needs_posix
def test_a_killed_process_ends_the_other_and_the_run_resumes(
    options, two_devices, tmp_path
):
    """First process 1 is killed, then process 0, then both complete the run."""
    folder = tmp_path / "run"
    own = [*options, "--output", str(folder)]
    resume: list[str] = []
    for done, killed in ((2, 1), (5, 0)):
        both = start_both(*own, *resume)
        after_epochs(folder, done, both)
        both[killed].kill()
        start_time = time.monotonic()
        log = ended(both[1 - killed], EXIT_PEER_LOST)
        assert time.monotonic() - start_time < 30
        line = log.splitlines()[-1]
        assert "of 2 ended or does not respond" in line and "--resume" in line
        both[killed].communicate()
        resume = ["--resume"]
    assert len(read_history(folder / "history.csv")) < EPOCHS
    for process in start_both(*own, *resume):
        ended(process, 0)
    assert_same_run(folder, two_devices)


@pytest.mark.slow
@pytest.mark.distributed
@needs_posix
def test_ctrl_c_at_one_process_ends_both_and_saves_the_run(options, tmp_path):
    folder = tmp_path / "run"
    own = [*options, "--output", str(folder), "--epochs", "500"]
    both = start_both(*own)
    after_epochs(folder, 2, both)
    both[1].send_signal(signal.SIGINT)
    for process in both:
        ended(process, 130)
    assert (folder / "metrics.json").is_file()


@pytest.mark.slow
@pytest.mark.distributed
def test_processes_with_different_options_are_refused(options, tmp_path):
    own = [*options, "--output", str(tmp_path / "run")]
    for process in start_both(*own, process1=["--learning-rate", "0.5"]):
        line = ended(process, 2).splitlines()[-1]
        assert "--learning-rate of process 1 differs from process 0" in line


@pytest.mark.slow
@pytest.mark.distributed
def test_the_error_for_an_unreachable_coordinator_is_one_line(options, tmp_path):
    address = ["--coordinator", f"127.0.0.1:{free_port()}", "--join-seconds", "3"]
    own = [*options, "--output", str(tmp_path / "run"), "--distribute", *address]
    log = ended(
        start("jax", *own, "--processes", "2", "--process", "1"), EXIT_PEER_LOST
    )
    assert "not all 2 processes connected" in log and "within 3 s" in log
    assert len(log.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.distributed
def test_a_distributed_run_can_be_resumed_by_one_process(
    options, single_device, reconfigure, tmp_path
):
    """The options of machines are not part of the run."""
    folder = tmp_path / "run"
    shutil.copytree(single_device, folder)
    reconfigure(folder, epochs=EPOCHS + 1, distribute=True, devices=2)
    own = ["--output", str(folder), "--resume"]
    ended(start("jax", *own), 0)
    assert len(read_history(folder / "history.csv")) == EPOCHS + 1

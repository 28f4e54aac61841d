"""Training on all devices of a machine, and on several machines at once.

`--distribute` splits each batch over the devices. TensorFlow does it on one machine
(`tf.distribute.MirroredStrategy`), JAX on one or several (`DataParallel` of Keras): a
process on each machine, which docs/distributed.md shows how to start. Process 0 writes
the run; the others compute.

A process among several runs as the child of a watcher, for JAX ends it natively, with
a page of C++, when another one is gone. The watcher makes that one line.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Iterator, NoReturn, Sequence

from edge.core.errors import InputError
from edge.core.log import say
from kseg import checkpoint
from kseg.config import OF_MACHINES, TrainConfig
from kseg.data import Data

HEARTBEAT_SECONDS = 30  # a process that is silent for so long is gone
SHUTDOWN_SECONDS = 600  # which the others wait for process 0 to save its last files
PORT = 61440  # under Slurm; plus a part of the job's number, so that jobs keep apart
WATCHED = "KSEG_WATCHED"  # names its watcher's temporary folder to a child
NATIVE_LOG = "native.log"  # in there: what the child's libraries say on stderr
LOST = 4  # exit status where another process is gone: starting all again goes on
NOT_THE_RUN = (*OF_MACHINES, "data", "output", "json")  # may differ between processes
BY_JAX = "the JAX distributed service detected fatal errors"  # in its dying words
# How the collectives of JAX name a partner that is gone.
GONE = re.compile("gloo|nccl|coordination|heartbeat|connection|socket", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where this process stands among those of a run, and its share of each batch."""

    process: int = 0
    processes: int = 1
    devices: int = 1  # of all processes together
    coordinator: str = ""  # HOST:PORT, where process 0 listens

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files and its log."""
        return self.process == 0

    def part(self, images: int) -> slice:
        """Which of a global batch of `images` this process reads.

        >>> Place(process=1, processes=2, devices=4).part(8)
        slice(4, 8, None)
        """
        each = images // self.processes
        return slice(self.process * each, (self.process + 1) * each)

    def filled(self, images: int) -> int:
        """The least number from `images` up that the devices can share evenly.

        >>> Place(devices=4).filled(5)
        8
        """
        return images + -images % self.devices

    def written(self, folder: Path) -> Path:
        """Where callbacks write: the run folder, or a temporary one in other processes.

        Each process thus does the same, whatever callbacks do: a computation that
        process 0 alone enters would wait for the others for ever.
        """
        return folder if self.leads else Path(os.environ[WATCHED])

    def callbacks(self, stop: Callable[[], None]) -> list[Any]:
        """With several processes: what calls `stop` in all of them at the same step.

        Stopped alone, a process would leave the others waiting. SIGTERM at any of them
        is passed on by JAX, which chooses a step that none has reached.
        """
        if self.processes == 1:
            return []
        import keras
        from jax.experimental import multihost_utils

        steps = iter(range(sys.maxsize))

        def begin(logs: Any = None) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the watcher's business

        def after_step(batch: int, logs: Any = None) -> None:
            if multihost_utils.reached_preemption_sync_point(next(steps)):
                stop()

        callback = keras.callbacks.LambdaCallback
        return [callback(on_train_begin=begin, on_train_batch_end=after_step)]


ALONE = Place()


def place_of(config: TrainConfig) -> Place:
    """What options and, under Slurm or in a Kubernetes Indexed Job, environment say.

    Raises InputError for options that say half of it.
    """
    options = ("devices", "coordinator", "processes", "process")
    given = [name for name in options if getattr(config, name) not in (None, "")]
    if not config.distribute:
        if given:
            raise InputError(f"--{given[0]}: goes with --distribute")
        return ALONE
    if config.coordinator:
        return named_place(config)
    if given and given != ["devices"]:
        raise InputError(f"--{given[-1]}: needs --coordinator HOST:PORT, of process 0")
    return slurm_place(os.environ)


def named_place(config: TrainConfig) -> Place:
    """The place that --coordinator, --processes and --process name."""
    host, _, port = config.coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(
            f"--coordinator {config.coordinator}: is no HOST:PORT; give process 0's "
            "host and a free port there, such as 10.0.0.1:12345"
        )
    process = config.process
    if process is None and os.environ.get("JOB_COMPLETION_INDEX", "").isdecimal():
        process = int(os.environ["JOB_COMPLETION_INDEX"])  # Kubernetes' Indexed Job
    if config.processes is None or process is None:
        raise InputError("--coordinator: needs --processes N and --process 0 to N-1")
    if process >= config.processes:
        raise InputError(
            f"--process {process}: of {config.processes} processes the last is "
            f"{config.processes - 1}; they count from 0"
        )
    return Place(process, config.processes, coordinator=config.coordinator)


def slurm_place(environment: Any) -> Place:
    """The place among the tasks of a Slurm step; alone where there is no step.

    >>> step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}
    >>> slurm_place(step | {"SLURM_STEP_NODELIST": "n[07-08],m1", "SLURM_JOB_ID": "3"})
    Place(process=1, processes=2, devices=1, coordinator='n07:61443')
    """
    processes = int(environment.get("SLURM_STEP_NUM_TASKS", 1))
    if processes == 1:
        return ALONE
    nodes = environment["SLURM_STEP_NODELIST"]
    first = "".join(re.match(r"([^,\[]+)(?:\[(\d+))?", nodes).groups(""))
    port = PORT + int(environment["SLURM_JOB_ID"]) % 4096
    process = int(environment["SLURM_PROCID"])
    return Place(process, processes, coordinator=f"{first}:{port}")


# --- the watcher of one process among several ---


def to_be_watched(place: Place) -> bool:
    return place.processes > 1 and WATCHED not in os.environ


def watch(place: Place) -> int:
    """Runs this very command again as a child; the exit status, LOST for a killed one.

    The first Ctrl-C or SIGTERM ends all processes after the same step, the second this
    one at once.
    """
    asked: list[int] = []
    with tempfile.TemporaryDirectory(prefix="kseg-") as folder:
        child = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env={**os.environ, WATCHED: folder},
            stdin=subprocess.PIPE,  # its end tells the child that the watcher is gone
            start_new_session=True,  # Ctrl-C in a terminal reaches the watcher alone
        )

        def ask(number: int, _: Any) -> None:
            asked.append(number)
            child.send_signal(signal.SIGTERM if len(asked) == 1 else signal.SIGKILL)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, ask)
        status = child.wait()
        log = Path(folder, NATIVE_LOG)
        said = log.read_text(errors="replace") if log.is_file() else ""
    if status >= 0:
        return status
    if asked:
        return 130
    if BY_JAX in said:
        say(lost(place))
    else:
        name = signal.Signals(-status).name
        say(f"{said}kseg.train: process {place.process} was ended by {name}")
    return LOST


def lost(place: Place, reason: str = "") -> str:
    """The line that a process leaves when another one is gone."""
    others = "another process" if place.leads else "process 0 or another"
    return (
        f"kseg.train: {others} of the {place.processes} ended or fell silent"
        f"{f' ({reason})' if reason else ''}; find out why in its log, then start all "
        "again with --resume"
    )


def obey_watcher() -> None:
    """Ends this process when its watcher is gone, and leaves it the native log."""
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with open(Path(os.environ[WATCHED], NATIVE_LOG), "wb") as log:
        os.dup2(log.fileno(), 2)

    def wait() -> None:
        os.read(0, 1)  # not by sys.stdin, whose lock Python would want at its end
        os._exit(LOST)

    threading.Thread(target=wait, daemon=True).start()


# --- devices ---


@contextmanager
def joined(config: TrainConfig, place: Place, data: Data) -> Iterator[Place]:
    """Keras works on all devices meanwhile. Gives the place, its devices counted.

    Raises InputError for what the backend cannot do, for a batch that the devices
    cannot share evenly and for processes that were not asked for the same.
    """
    if not config.distribute:
        yield place
        return
    import keras

    backend = keras.backend.backend()
    if backend not in ("jax", "tensorflow"):
        raise InputError(f"--distribute: not on {backend}; set KERAS_BACKEND=jax")
    if place.processes > 1 and backend != "jax":
        raise InputError(
            "--distribute: several processes need JAX; pip install -e '.[jax]' and set "
            "KERAS_BACKEND=jax"
        )
    if place.processes > 1:
        with ending_at_once(place):
            join(config, place)
            agree(config, place, data)
            # What is drawn and then replaced, by a loaded model say, has to be equal.
            keras.utils.set_random_seed(config.seed)
            with on_jax(config, place) as place:
                yield place
            leave()
        return
    with (on_jax if backend == "jax" else on_tensorflow)(config, place) as place:
        yield place


@contextmanager
def on_tensorflow(config: TrainConfig, place: Place) -> Iterator[Place]:
    """One machine's GPUs under a MirroredStrategy, or --devices logical processors."""
    import tensorflow as tf

    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU" and config.devices:
        (processor,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration()] * config.devices
        tf.config.set_logical_device_configuration(processor, logical)
    devices = chosen(tf.config.list_logical_devices(kind), config)
    place = with_devices(config, place, len(devices))
    if len(devices) == 1:
        yield place
        return
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    with strategy.scope():
        yield place


@contextmanager
def on_jax(config: TrainConfig, place: Place) -> Iterator[Place]:
    """The devices of all processes under a DataParallel."""
    import jax
    import keras

    if place.processes == 1 and config.devices:
        jax.config.update("jax_num_cpu_devices", config.devices)
    if len(jax.local_devices()) * place.processes != jax.device_count():
        raise InputError("--distribute: every process needs the same number of devices")
    devices = keras.distribution.list_devices()
    if place.processes == 1:
        devices = chosen(devices, config)
    place = with_devices(config, place, len(devices))
    # The pipeline gives each process its share: none reads what others work on.
    across = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    with across.scope():
        yield place


def chosen(devices: Sequence[Any], config: TrainConfig) -> Sequence[Any]:
    """The first --devices of a process's devices; all where it was not given."""
    if len(devices) < (config.devices or 1):
        raise InputError(f"--devices {config.devices}: there are {len(devices)} here")
    return devices[: config.devices]


def with_devices(config: TrainConfig, place: Place, devices: int) -> Place:
    """The place with its devices, said.

    Raises InputError for what they cannot share.
    """
    images = config.images_per_step
    if images % devices:
        raise InputError(
            f"--batch-size {config.batch_size}: {devices} devices share the {images} "
            f"images of a step; give a multiple of {devices}"
        )
    if place.leads:
        say(
            f"processes: {place.processes}, devices: {devices}, each with "
            f"{images // devices} of a step's {images} images"
        )
    else:
        say(
            f"process {place.process} of {place.processes}, with process 0 at "
            f"{place.coordinator}, which writes the run and its log"
        )
    return replace(place, devices=devices)


# --- several processes ---


def join(config: TrainConfig, place: Place) -> None:
    """Meets the other processes; ends with LOST where not all come in time."""
    import jax

    obey_watcher()
    if config.devices:
        jax.config.update("jax_num_cpu_devices", config.devices)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")

    def give_up() -> None:
        say(
            f"kseg.train: not all {place.processes} processes met at "
            f"{place.coordinator} within {config.join_seconds} s; look at the others' "
            "logs, and whether that address can be reached"
        )
        os._exit(LOST)

    timer = threading.Timer(config.join_seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        jax.distributed.initialize(
            place.coordinator,
            place.processes,
            place.process,
            local_device_ids=config.devices and range(config.devices),
            # Under Slurm JAX would take one device of each process alone.
            cluster_detection_method="deactivate",
            initialization_timeout=config.join_seconds + 60,  # it would end natively
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
        )
        jax.devices()
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"--coordinator {place.coordinator}: cannot be used ({reason}); choose a "
            "free port of process 0's machine"
        ) from None
    finally:
        timer.cancel()


def agree(config: TrainConfig, place: Place, data: Data) -> None:
    """Raises InputError in all processes where not all are asked for the same run."""
    import numpy as np
    from jax.experimental import multihost_utils

    facts = {
        f"--{name.replace('_', '-')}": value
        for name, value in asdict(config).items()
        if name not in NOT_THE_RUN
    }
    for name, split in data.splits.items():
        facts[f"{name} images"] = list(zip(split.names, split.sizes, strict=True))
    kept = config.run_folder / checkpoint.NAME
    facts[checkpoint.NAME] = kept.read_bytes() if config.resume else b""
    sums = [zlib.crc32(repr(value).encode()) for value in facts.values()]
    with stdout_held():
        everyone = multihost_utils.process_allgather(np.array(sums, np.uint32))
    for name, column in zip(facts, everyone.T, strict=True):
        for process in np.flatnonzero(column != column[0]):
            leave()
            raise InputError(
                f"--distribute: process {process} has another {name} than process 0; "
                "give all of them the same options, data and run folder"
            )


@contextmanager
def stdout_held() -> Iterator[None]:
    """Drops what libraries print natively: the first collective greets its partners."""
    sys.stdout.flush()
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


def leave() -> None:
    """Parts from the other processes, once all are here."""
    import jax

    jax.distributed.shutdown()


@contextmanager
def ending_at_once(place: Place) -> Iterator[None]:
    """Where the block fails, so does the process, at once and in one line.

    On its usual way out JAX would wait for the others, who wait for this one.
    """
    try:
        yield
    except InputError as refusal:
        end(f"kseg.train: {refusal}", refusal.status)
    except (RuntimeError, ValueError) as error:
        if not GONE.search(str(error)):
            end(traceback.format_exc(), 1)
        reason = str(error).partition("\n")[0][:200]
        end(lost(place, reason), LOST)
    except BaseException:
        end(traceback.format_exc(), 1)


def end(message: str, status: int) -> NoReturn:
    say(message)
    sys.stdout.flush()
    os._exit(status)

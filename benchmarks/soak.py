"""Runs the camera for long while broker, stream and disk fail at random.

    kseg benchmark soak
    kseg benchmark soak --frames 300 --minutes 0.3

The camera is the real program, with zones, rules and all of their outputs. A mosquitto
is killed and started again, the stream is cut and comes back, the disk fills up and is
freed, at random times that --seed decides. The exit status is 3 if the camera crashes,
its memory grows, an event is lost, frames are old at the end, or somebody without the
token gets an answer. It needs Linux and mosquitto; a small disk is mounted if this is
root, else a limit of the size of files stands for it, and nothing is recorded all the
time.
"""

from __future__ import annotations

import random
import secrets
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Sequence

from benchmarks.results import JSON_HELP, option, show
from edge.app.measure import percentiles
from edge.app.shipped import shipped_model
from edge.core.errors import GateFailed, InputError
from edge.core.files import write_json
from edge.core.log import say
from edge.core.system import LINUX
from kseg.cli.parser import parse
from kseg.core.options import Output

LONGEST_PERIOD = 40.0  # seconds between two failures of a kind, on average
PERIODS = 8  # in the whole run, if they are shorter than that
STEADY = 0.85  # share of the frames after which nothing fails
POLL_SECONDS = 0.5
LATE, START_SECONDS, CLOSE_SECONDS = 5.0, 120.0, 60.0  # factor of the time; limits
PREFIX = "soak/camera"


@dataclass(frozen=True)
class SoakConfig:
    """Options of `kseg benchmark soak`."""

    frames: int = option(20_000, "number of frames that the camera takes")
    minutes: float = option(
        12.0, "time in which they come; failures of the stream are on top"
    )
    seed: int = option(0, "random seed of the failures and scenes", zero=True)
    model: str = option("", "model file; default: the shipped model shapes")
    max_age: float = option(100.0, "oldest that a frame may be at the end, in ms")
    json: Output = option("", JSON_HELP)


class Failure(NamedTuple):
    """What fails: its name, and how it begins and ends."""

    name: str
    begin: Callable[[random.Random], None]
    end: Callable[[], None]


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(SoakConfig, "kseg benchmark soak", __doc__, argv)
    figures = run_soak(config)
    show(figures, table, config.json)
    failed = [row["name"] for row in figures["checks"] if not row["passed"]]
    if failed:
        raise GateFailed(f"soak: failed: {', '.join(failed)}")


def run_soak(config: SoakConfig) -> dict[str, Any]:
    """Run the camera and everything around it; returns what was seen."""
    if not LINUX:
        raise InputError("the soak test reads Linux's /proc/; run it on Linux")
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch, ExitStack() as stack:
        return Soak(config, Path(scratch), stack).run()


class Soak:
    """A camera, what it talks to, and what makes that fail; `stack` closes them."""

    def __init__(self, config: SoakConfig, folder: Path, stack: ExitStack):
        from benchmarks.soak_broker import Broker, Subscriber, free_port
        from benchmarks.soak_camera import RULES, Camera, Owner, Stranger
        from benchmarks.soak_disk import small_disk
        from benchmarks.soak_stream import Stream, moving_scenes

        self.config, self.folder = config, folder
        self.token = secrets.token_hex(16)
        port = free_port()
        rate = config.frames / (60 * config.minutes)
        frames = moving_scenes(config.seed)
        self.disk = stack.enter_context(small_disk(folder / "disk"))
        self.broker = stack.enter_context(Broker(folder))
        topic = f"{PREFIX}/events"
        self.subscriber = stack.enter_context(Subscriber(self.broker.port, topic))
        self.stream = stack.enter_context(Stream(frames, rate))
        write_json(folder / "zones.json", RULES)
        model = Path(config.model) if config.model else shipped_model("shapes")
        self.camera = stack.enter_context(Camera(model, self._options(port)))
        self.disk.watch(self.camera.process.pid)
        self.owner = Owner(port, self.token, self.stream)
        self.stranger = Stranger(port, config.seed)
        self.samples: list[tuple[int, float]] = []
        self.open_files: list[tuple[int, int]] = []
        self.failures: dict[str, int] = {}
        self._steady = threading.Event()

    def _options(self, port: int) -> list[str]:
        """The options of the camera."""
        disk, folder = self.disk.folder, self.folder
        options = {
            "--source": self.stream.url,
            "--zones": folder / "zones.json",
            "--events": disk / "events.jsonl",
            "--event-folder": disk / "events",
            "--mqtt": f"127.0.0.1:{self.broker.port}",
            "--mqtt-prefix": PREFIX,
            "--mqtt-picture": 2,
            "--serve": f"127.0.0.1:{port}",
            "--token": self.token,
            "--threads": 1,
            "--max-frames": self.config.frames,
        }
        if not self.disk.limits_all:  # a full disk would end a recording, as it should
            options["--record"] = folder / "record.mp4"
        return ["--track", *(str(x) for pair in options.items() for x in pair)]

    def run(self) -> dict[str, Any]:
        """Wait for the end of the camera while things fail."""
        began = time.monotonic()
        self._wait_for_start()
        threads = [
            threading.Thread(target=self._disturb, args=(failure,), daemon=True)
            for failure in self._failures()
        ]
        for thread in threads:
            thread.start()
        self._observe()
        self._steady.set()
        for thread in threads:
            thread.join()
        self.owner.ended = True
        time.sleep(2 * POLL_SECONDS)  # for the last messages
        return self._figures(time.monotonic() - began)

    def _wait_for_start(self) -> None:
        """Raises InputError if there are no frames within START_SECONDS."""
        end = time.monotonic() + START_SECONDS
        while not self.owner.frames:
            self.owner.ask()
            if self.camera.process.poll() is not None or time.monotonic() > end:
                last = self.camera.lines[-1:] or ["no message"]
                raise InputError(f"the camera does not start: {last[0]}")
            time.sleep(POLL_SECONDS)
        self.stranger.try_all()
        say(f"the camera runs; {self.disk.kind} is the disk")

    def _failures(self) -> list[Failure]:
        """What fails. A stream is cut, or is silent."""

        def cut(chance: random.Random) -> None:
            self.stream.cut(silent=chance.random() < 0.3)

        def free() -> None:
            from benchmarks.soak_disk import remove_old

            self.disk.free()
            remove_old(self.disk.folder / "events")

        return [
            Failure("broker", lambda _: self.broker.kill(), self.broker.start),
            Failure("stream", cut, self.stream.mend),
            Failure("disk", lambda _: self.disk.fill(), free),
        ]

    def _disturb(self, failure: Failure) -> None:
        """Let something fail and come back until the steady end of the run."""
        chance = random.Random(f"{self.config.seed} {failure.name}")
        period = min(LONGEST_PERIOD, 60 * self.config.minutes / PERIODS)
        self.failures[failure.name] = 0
        while not self._steady.wait(period * chance.uniform(0.4, 1.2)):
            if failure.name == "broker" and not self.subscriber.subscribed:
                continue  # what it has taken but not passed on would be lost with it
            failure.begin(chance)
            self.failures[failure.name] += 1
            self._steady.wait(period * chance.uniform(0.1, 0.5))
            failure.end()

    def _observe(self) -> None:
        """Look at the camera until it ends, or for too long."""
        limit = LATE * 60 * self.config.minutes + CLOSE_SECONDS
        end, told = time.monotonic() + limit, time.monotonic()
        while self.camera.process.poll() is None and time.monotonic() < end:
            self.owner.ask()
            self.stranger.try_some(2)
            memory, files = self.camera.memory, self.camera.open_files
            if memory is not None and files is not None:
                self.samples.append((self.owner.frames, memory))
                self.open_files.append((self.owner.frames, files))
            if self.owner.frames >= STEADY * self.config.frames:
                self._steady.set()
            if time.monotonic() > told + 60:
                told = time.monotonic()
                say(f"{self.owner.frames} frames, {memory or 0:.1f} MB")
            time.sleep(POLL_SECONDS)

    def _figures(self, seconds: float) -> dict[str, Any]:
        """What was seen, and what of it is as it must be."""
        from benchmarks import soak_checks as checks

        lines, process = self.camera.lines, self.camera.process
        path = self.disk.folder / "events.jsonl"
        written, incomplete = checks.events_of(path)
        ages = [age for _, age in self.owner.ages]
        quarter = self.config.frames * checks.QUARTER
        early = [age for frames, age in self.owner.ages if frames < quarter]
        found = [
            checks.check_end(process.poll(), lines),
            checks.check_memory(self.samples, self.config.frames),
            checks.check_files(self.open_files, self.config.frames),
            *checks.check_events(written, self.subscriber.heard, lines),
            checks.Check("lines", not incomplete, f"{incomplete} are incomplete"),
            checks.check_ages(ages, self.config.max_age),
            checks.check_stranger(self.stranger.tries, self.stranger.got),
        ]
        return {
            "frames": self.config.frames,
            "seconds": round(seconds, 1),
            "seed": self.config.seed,
            "disk": self.disk.kind,
            "failures": dict(self.failures),
            "age_millis": percentiles(ages) if ages else None,
            "early_age_millis": percentiles(early) if early else None,
            "memory_mb": [round(mb, 1) for _, mb in self.samples],
            "checks": [check._asdict() for check in found],
            "log": lines,
        }


def table(figures: dict[str, Any]) -> str:
    """The results as text."""
    failures = ", ".join(f"{k} {n}" for k, n in figures["failures"].items())
    rows = [
        f"{figures['frames']} frames in {figures['seconds']:.0f} s; failures: "
        f"{failures}; disk: {figures['disk']}"
    ]
    for check in figures["checks"]:
        mark = "ok" if check["passed"] else "FAILED"
        rows.append(f"{check['name']:<10} {mark:<7} {check['text']}")
    return "\n".join(rows)

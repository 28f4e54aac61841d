"""A real MQTT broker on this machine, and what it is told, by its own programs."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROGRAM = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
LISTENER = "mosquitto_sub"


class Received(NamedTuple):
    topic: str
    payload: bytes


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until a condition holds; returns what it returned."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)
    return result


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Mosquitto:
    """A broker on a port of 127.0.0.1 that may be killed and started again.

    It remembers sessions and retained messages like a broker at home. `lines` are
    further lines of its configuration.
    """

    def __init__(self, folder: Path, lines: Iterable[str] = ()):
        if not (PROGRAM and shutil.which(LISTENER)):
            pytest.skip("no mosquitto: apt install mosquitto mosquitto-clients")
        self.folder, self.port = folder, free_port()
        self.lines = list(lines) or ["allow_anonymous true"]
        self.process: subprocess.Popen | None = None
        self.listeners: list[subprocess.Popen] = []
        self.start()

    def start(self) -> None:
        lines = (
            *(f"listener {self.port} 127.0.0.1", "persistence true", "user root"),
            *(f"persistence_location {self.folder}/", "autosave_on_changes true"),
            *("autosave_interval 1", "log_type all", *self.lines, ""),
        )
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(lines), encoding="utf-8")
        log = (self.folder / "mosquitto.log").open("ab")
        self.process = subprocess.Popen(
            [PROGRAM, "-c", config], stdout=log, stderr=subprocess.STDOUT
        )
        log.close()
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process and self.process.poll() is None, self.log()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        path = self.folder / "mosquitto.log"
        return path.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def listen(self, topic: str = "#", *options: str) -> Callable[[], list[Received]]:
        """Subscribe; returns a function that gives what has come so far."""
        path = self.folder / f"heard{len(self.listeners)}"
        command = [
            *(
                LISTENER,
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-t",
                topic,
                "-q",
                "1",
            ),
            *("-F", "%t\t%x", *options),
        ]
        before, out = self.log().count("SUBACK"), path.open("wb")
        self.listeners.append(
            subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        )
        out.close()

        def heard() -> list[Received]:
            text = path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1].splitlines()
            pairs = (line.split("\t") for line in whole if "\t" in line)
            return [Received(topic, bytes.fromhex(data)) for topic, data in pairs]

        until(lambda: self.log().count("SUBACK") > before)
        return heard

    def retained(self, *options: str) -> dict[str, bytes]:
        """What a new subscriber gets at once: topic -> payload."""
        command = [
            *(LISTENER, "-h", "127.0.0.1", "-p", str(self.port), "-t", "#"),
            *("-F", "%t\t%x", "--retained-only", "-W", "1", *options),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        pairs = (line.split("\t") for line in done.stdout.splitlines())
        return {topic: bytes.fromhex(data) for topic, data in pairs}

    def close(self) -> None:
        for process in (*self.listeners, self.process):
            if process and process.poll() is None:
                process.kill()
                process.wait()

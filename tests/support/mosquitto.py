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
    retained: bool  # whether the broker had kept it


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

    What it knows it writes when it is told to. `lines` are further lines of its
    configuration.
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
            *(f"persistence_location {self.folder}/", "autosave_interval 0"),
            *("log_type all", *self.lines, ""),
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

    def save(self) -> None:
        """Let it write who listens to what, which it knows then if it is killed."""
        assert self.process
        path = self.folder / "mosquitto.db"
        before = path.stat().st_ino if path.exists() else 0
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: path.exists() and path.stat().st_ino != before)

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
            *("-F", "%t\t%r\t%x", *options),
        ]
        before, out = self.log().count("SUBACK"), path.open("wb")
        self.listeners.append(
            subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        )
        out.close()

        def heard() -> list[Received]:
            text = path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1].splitlines()
            rows = (line.split("\t") for line in whole)
            return [
                Received(topic, bytes.fromhex(data), retained == "1")
                for topic, retained, data in rows
            ]

        until(lambda: self.log().count("SUBACK") > before)
        return heard

    def retained(self) -> dict[str, bytes]:
        """What a new subscriber gets at once: topic -> payload."""
        heard = self.listen()
        place = ("-h", "127.0.0.1", "-p", str(self.port))
        command = ["mosquitto_pub", *place, "-t", "end", "-m", "", "-q", "1"]
        subprocess.run(command, check=True, timeout=20)
        until(lambda: "end" in [message.topic for message in heard()])
        return {m.topic: m.payload for m in heard() if m.retained}

    def close(self) -> None:
        for process in (*self.listeners, self.process):
            if process and process.poll() is None:
                process.kill()
                process.wait()

"""The camera of the soak test: the real program, and what others see of it."""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Iterator, Optional

import cv2
import numpy as np

from benchmarks.soak_stream import Stream, read_stamp

PROGRAM = Path(__file__).resolve().parents[1] / "edge" / "camera_demo.py"
FORBIDDEN = 403
LONGEST_REFUSAL = 200  # bytes of the line that a stranger gets
PAUSE_SECONDS = 0.5  # before a viewer connects again

RULES = {
    "smoothing_seconds": 0.3,
    "zones": {
        "left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
        "right": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]],
    },
    "rules": [
        {
            "name": "disc on the left",
            "when": "share(disc, left) > 2 %",
            "cool_down_seconds": 0,
            "record": {"before_seconds": 1, "after_seconds": 1},
        },
        {"name": "squares", "when": "count(square) >= 2", "cool_down_seconds": 1},
        {
            "name": "triangle stays",
            "when": "dwell(triangle, right) > 0.5 s",
            "cool_down_seconds": 0,
            "snapshot": False,
        },
    ],
}


class Camera:
    """The program with its options; `lines` is what it prints. A context manager."""

    def __init__(self, model: Path, options: list[str]):
        command = [sys.executable, str(PROGRAM), str(model), *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(5)
        if self.process.stdout:
            self.process.stdout.close()

    @property
    def memory(self) -> Optional[float]:
        """Resident memory in MB; None if the program has ended."""
        with suppress(OSError, StopIteration):
            text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
            line = next(x for x in text.splitlines() if x.startswith("VmRSS:"))
            return int(line.split()[1]) / 1024
        return None

    @property
    def open_files(self) -> Optional[int]:
        """The number of its open files and sockets; None if it has ended."""
        with suppress(OSError):
            return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))
        return None


class Owner:
    """Who has the token: asks for the number of frames and watches the stream."""

    def __init__(self, port: int, token: str, stream: Stream):
        self.port, self.token, self.stream = port, token, stream
        self.ages: list[tuple[int, float]] = []  # frames until then, milliseconds
        self.frames = 0
        self.ended = False
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Learn how many frames the camera has taken."""
        with suppress(OSError, ValueError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request("GET", "/api/state", headers=headers)
            self.frames = json.loads(connection.getresponse().read())["frames"]
            connection.close()

    def _watch(self) -> None:
        while not self.ended:
            with suppress(OSError, ValueError, http.client.HTTPException):
                self._view()
            time.sleep(PAUSE_SECONDS)

    def _view(self) -> None:
        """Note the age of each frame when it comes in for the first time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", f"/stream.mjpg?token={self.token}")
        last = None
        for jpeg in parts_of(connection.getresponse()):
            arrived = time.monotonic()
            number = read_stamp(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1))
            sent = self.stream.sent.get(-1 if number is None else number)
            if number != last and sent is not None:
                self.ages.append((self.frames, 1e3 * (arrived - sent)))
                last = number
            if self.ended:
                break
        connection.close()


def parts_of(response: Any) -> Iterator[bytes]:
    """The images of a multipart stream; ends with it."""
    size = 0
    while line := response.readline():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
        elif not line.strip() and size:
            yield response.read(size)
            size = 0


class Stranger:
    """Who has no token, and tries every path in every way that it could be given."""

    def __init__(self, port: int, seed: int):
        from edge.display.web.routes import ROUTES

        self.port, self.random = port, random.Random(f"{seed} stranger")
        self.tries = 0
        self.got: list[str] = []  # answers that were more than a refusal
        paths = [*ROUTES, "/api/nothing", "/nothing", "/../etc/passwd"]
        self.ways = [
            (method, path, query, headers)
            for path in paths
            for method in ("GET", "PUT", "HEAD")
            for query, headers in (
                ("", {}),
                ("?token=", {}),
                ("?token=wrong-token", {}),
                ("", {"Authorization": "Bearer wrong-token"}),
                ("", {"Cookie": f"kseg-{port}=wrong-token"}),
                ("", {"Connection": "Upgrade", "Upgrade": "websocket"}),
            )
        ]

    def try_all(self) -> None:
        for way in self.ways:
            self.try_one(*way)

    def try_some(self, count: int) -> None:
        for way in self.random.sample(self.ways, count):
            self.try_one(*way)

    def try_one(
        self, method: str, path: str, query: str, headers: dict[str, str]
    ) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with suppress(OSError, http.client.HTTPException):
            connection.request(method, path + query, headers=headers)
            answer = connection.getresponse()
            body = answer.read(LONGEST_REFUSAL + 1)
            self.tries += 1
            refused = answer.status == FORBIDDEN
            if not refused or len(body) > LONGEST_REFUSAL:
                self.got.append(f"{method} {path}: {answer.status}")
        connection.close()

"""A mosquitto on loopback that can be killed, and a subscriber that outlives it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable

from edge.core.errors import InputError

PROGRAMS = ("mosquitto", "/usr/sbin/mosquitto")
WAIT_SECONDS = 20.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition holds. Raises InputError after WAIT_SECONDS."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise InputError(f"{what} does not answer within {WAIT_SECONDS:.0f} s")
        time.sleep(0.02)


class Broker:
    """A mosquitto that keeps its subscribers on disk; a context manager.

    Raises InputError if there is no mosquitto.
    """

    def __init__(self, folder: Path):
        found = filter(None, map(shutil.which, PROGRAMS))
        self._program = next(found, None)
        if not self._program:
            raise InputError("there is no mosquitto; apt install mosquitto")
        self._folder, self.port = folder, free_port()
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "user root"]
        lines += ["persistence true", f"persistence_location {folder}/"]
        lines += ["autosave_on_changes true", "autosave_interval 1", ""]
        self._config.write_text("\n".join(lines), encoding="utf-8")
        self.start()

    def start(self) -> None:
        log = (self._folder / "mosquitto.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._answers, "mosquitto")

    def _answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: Any) -> None:
        self.kill()


class Subscriber:
    """Keeps the JSON of all messages of a topic, in order; a context manager.

    It has a session of its own at the broker, so that messages wait for it there.
    """

    def __init__(self, port: int, topic: str):
        from paho.mqtt.client import CallbackAPIVersion, Client

        self.heard: list[dict[str, Any]] = []
        self.subscribed, self._topic = False, topic
        self._client = Client(CallbackAPIVersion.VERSION2, "soak", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _on_subscribe(self, *_: Any) -> None:
        self.subscribed = True

    def _on_disconnect(self, *_: Any) -> None:
        self.subscribed = False

    def _on_message(self, _: Any, __: Any, message: Any) -> None:
        self.heard.append(json.loads(message.payload))

    def __enter__(self) -> Subscriber:
        wait_for(lambda: self.subscribed, "the subscriber's broker")
        return self

    def __exit__(self, *_: Any) -> None:
        self._client.disconnect()
        self._client.loop_stop()

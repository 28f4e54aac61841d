from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.events.mqtt import client as client_module
from edge.events.mqtt.broker import Broker
from edge.events.mqtt.client import Client
from edge.events.mqtt.outbox import Message, Outbox
from tests.support.mosquitto import Mosquitto


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(client_module, "LONGEST_PAUSE", 0.1)


@pytest.fixture
def start_broker(tmp_path) -> Iterator[Callable[..., Mosquitto]]:
    """`start_broker(*lines)` starts a broker with lines of configuration."""
    brokers: list[Mosquitto] = []

    def start(*lines: str) -> Mosquitto:
        folder: Path = tmp_path / f"broker{len(brokers)}"
        folder.mkdir()
        brokers.append(Mosquitto(folder, lines))
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.close()


@pytest.fixture
def mosquitto(start_broker) -> Mosquitto:
    return start_broker()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """`connect(port, **options)` starts a client of the camera kseg/door."""
    clients: list[Client] = []

    def start(port: int, outbox: Outbox | None = None, **options) -> Client:
        broker = Broker("127.0.0.1", port, **options.pop("broker", {}))
        messages = {
            "birth": [Message("kseg/door/availability", b"online", retain=True)],
            "will": Message("kseg/door/availability", b"offline", retain=True),
            **options,
        }
        clients.append(Client(broker, outbox or Outbox(), "kseg1", **messages))
        return clients[-1]

    yield start
    for client in clients:
        client.close()

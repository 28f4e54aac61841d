from collections.abc import Callable, Iterator

import pytest

from edge.events.mqtt import client as client_module
from edge.events.mqtt.broker import Broker
from edge.events.mqtt.client import Client
from edge.events.mqtt.outbox import Message, Outbox


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(client_module, "LONGEST_PAUSE", 0.1)


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """`connect(port, **options)` starts a client of the camera "door"."""
    clients: list[Client] = []

    def start(port: int, outbox: Outbox | None = None, **options) -> Client:
        broker = Broker("127.0.0.1", port, **options.pop("broker", {}))
        will = Message("kseg/door/availability", b"offline", retain=True)
        clients.append(Client(broker, outbox or Outbox(), "kseg1", will, **options))
        return clients[-1]

    yield start
    for client in clients:
        client.close()

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.core import redaction
from tests.support.mosquitto import Mosquitto


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests(monkeypatch) -> None:
    """What a test gives as a password is an ordinary word in the next one."""
    monkeypatch.setattr(redaction, "SECRETS", redaction.Secrets())


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

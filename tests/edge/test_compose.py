"""The compose file: its parts fit together, and a real broker takes its settings."""

from pathlib import Path

import pytest
import yaml

from edge.app.camera_options import parse
from edge.app.mqtt_options import check_mqtt
from tests.support.mosquitto import Mosquitto

BOARD = Path(__file__).resolve().parents[2] / "edge" / "board"


@pytest.fixture
def services():
    text = (BOARD / "compose.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["services"]


def test_the_camera_takes_its_options(services, monkeypatch):
    monkeypatch.setenv("KSEG_MQTT_PASSWORD", "word")
    camera = services["camera"]
    python, script, *options = camera["entrypoint"]
    assert (BOARD.parents[1] / script).is_file() and python == "python"
    arguments = parse([*options, *camera["command"]], script, None)
    check_mqtt(arguments)
    broker = arguments.broker
    assert (broker.host, broker.port, broker.user) == ("broker", 1883, "camera")
    assert broker.host in services and camera["depends_on"] == [broker.host]
    mounted = [volume.split(":")[1] for volume in camera["volumes"]]
    assert {str(arguments.model), str(arguments.zones)} <= set(mounted)
    assert (BOARD / camera["build"] / "Dockerfile").is_file()
    assert set(camera["environment"]) == {"KSEG_MQTT_PASSWORD", "KSEG_SOURCE"}


def test_a_broker_takes_its_settings(services, tmp_path):
    (file,) = [v for v in services["broker"]["volumes"] if v.startswith("./")]
    text = (BOARD / file.split(":")[0]).read_text(encoding="utf-8")
    assert f"listener {services['broker']['ports'][0].split(':')[1]}" in text
    (tmp_path / "passwords").write_text("", encoding="utf-8")
    lines = [
        line.replace("/mosquitto/data", str(tmp_path))
        for line in text.splitlines()
        if not line.startswith(("#", "listener", "persistence"))
    ]
    assert lines
    broker = Mosquitto(tmp_path, lines)
    broker.close()

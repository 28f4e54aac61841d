"""MQTT from the command line of the camera, with a real broker."""

import json
import os
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from edge.app import mqtt_options
from edge.app.camera import main
from edge.app.camera_options import new_parser
from edge.app.event_options import watch_of
from edge.app.mqtt_options import check_mqtt, contents_of, mqtt_sinks
from edge.app.shipped import shipped_model
from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.video.frames import Source
from tests.support.mosquitto import until
from tests.support.posix import needs_posix

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "edge" / "camera_demo.py"
INFO = ModelInfo(("nothing", "road", "car"), ((0, 0, 0), (0, 0, 1), (0, 1, 0)))
SOURCE = Source(iter(()), "camera 0")
ZONES = {
    "zones": {"left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]},
    "rules": [{"name": "any disc", "when": "share(disc) >= 0", "cool_down_seconds": 0}],
}


def options(*given: str) -> Namespace:
    arguments = new_parser("camera", "").parse_args(["model.tflite", *given])
    arguments.zones = None
    return arguments


def checked(*given: str) -> Namespace:
    arguments = options(*given)
    check_mqtt(arguments)
    return arguments


@pytest.fixture(autouse=True)
def no_password(monkeypatch):
    monkeypatch.delenv("KSEG_MQTT_PASSWORD", raising=False)


def test_without_mqtt_there_is_no_sink_and_nothing_is_measured():
    arguments = checked()
    assert watch_of(arguments, INFO, SOURCE) is None
    assert mqtt_sinks(arguments, None, SOURCE, INFO) == []


def test_mqtt_alone_measures_the_whole_frame():
    watch = watch_of(checked("--mqtt", "pi"), INFO, SOURCE)
    assert [zone.name for zone in watch.measurer.zones] == ["frame"]


@pytest.mark.parametrize(
    "given",
    [
        ["--mqtt-prefix", "a"],
        ["--mqtt-password-file", "a"],
        ["--mqtt-ca", "a"],
        ["--mqtt-picture", "5"],
        ["--no-discovery"],
    ],
)
def test_options_of_mqtt_need_it(given):
    with pytest.raises(InputError, match=f"{given[0]} needs --mqtt; give both"):
        checked(*given)


def test_the_prefix_is_that_of_the_option_or_of_the_address():
    assert checked("--mqtt", "mqtt://pi/a/b").broker.prefix == "a/b"
    assert checked("--mqtt", "pi", "--mqtt-prefix", "c/d/").broker.prefix == "c/d"
    for given in (("mqtt://pi/a", "b"), ("pi", ""), ("pi", "a/#")):
        with pytest.raises(InputError, match="--mqtt-prefix: "):
            checked("--mqtt", given[0], "--mqtt-prefix", given[1])


def test_the_password_is_of_the_file_or_of_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "password"
    file.write_text("of the file\n", encoding="utf-8")
    monkeypatch.setenv("KSEG_MQTT_PASSWORD", "of the environment")
    assert checked("--mqtt", "me@pi").broker.password == "of the environment"
    given = ("--mqtt", "me@pi", "--mqtt-password-file", str(file))
    assert checked(*given).broker.password == "of the file"
    with pytest.raises(InputError, match="a password needs a user name; write mqtt://"):
        checked("--mqtt", "pi")


def test_certificates_need_an_encrypted_connection():
    with pytest.raises(InputError, match="--mqtt-ca .*; write mqtts://HOST"):
        checked("--mqtt", "pi", "--mqtt-ca", "ca.pem")


def test_a_missing_library_is_one_line(monkeypatch):
    monkeypatch.setattr(mqtt_options, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="--mqtt needs paho-mqtt; pip install 'paho"):
        checked("--mqtt", "pi")


def test_home_assistant_is_told_what_is_measured(tmp_path):
    path = tmp_path / "zones.json"
    rule = {"name": "full", "when": "not (share(car, left) < 0.5)"}
    path.write_text(json.dumps({**ZONES, "rules": [rule]}), encoding="utf-8")
    arguments = checked("--mqtt", "pi")
    arguments.zones = path
    watch = watch_of(arguments, INFO, SOURCE)
    contents = contents_of(arguments, watch, INFO, picture=False)
    assert (contents.zones, contents.rules) == (["frame", "left"], ["full"])
    assert contents.classes == ["road", "car"]  # without the class that has no colour
    assert contents.measures == ["share"]
    assert contents.in_rules == {("share", "car", "left")}
    assert (contents.model, contents.picture) == ("model.tflite", False)


def test_objects_that_are_tracked_have_more_measures():
    info = ModelInfo(("car",), ((0, 1, 0),), task="instance")
    for given, measures in (
        ((), ["share", "count"]),
        (
            ("--track",),
            ["share", "count", "dwell", "mean_dwell", "entered", "left"],
        ),
    ):
        arguments = checked("--mqtt", "pi", *given)
        watch = watch_of(arguments, info, SOURCE)
        assert contents_of(arguments, watch, info, False).measures == measures


def test_a_wrong_option_ends_the_command_before_the_model_is_read(capsys):
    with pytest.raises(InputError, match="--mqtt 'a b': is no address"):
        main(["missing.tflite", "--mqtt", "a b"])


# The whole camera


@pytest.fixture
def zone_file(tmp_path):
    path = tmp_path / "zones.json"
    path.write_text(json.dumps(ZONES), encoding="utf-8")
    return path


def content(heard, topic):
    return [json.loads(m.payload) for m in heard() if m.topic == f"kseg/hall/{topic}"]


def command(mosquitto, zone_file, *more: str) -> list[str]:
    return [
        *(str(shipped_model("shapes")), "--source", "shapes", "--headless"),
        *("--zones", str(zone_file), "--threads", "1"),
        *("--mqtt", f"mqtt://127.0.0.1:{mosquitto.port}/kseg/hall", *more),
    ]


@pytest.mark.slow
def test_a_run_of_the_camera(mosquitto, zone_file, capsys):
    heard = mosquitto.listen()
    assert main(command(mosquitto, zone_file, "--max-frames", "40")) == 0
    retained = mosquitto.retained()
    (topic,) = [name for name in retained if name.startswith("homeassistant/")]
    entities = json.loads(retained[topic])["components"].values()
    names = {entity["name"] for entity in entities}
    assert {"any disc", "picture", "left ring count", "frame cross share"} <= names
    topics = {
        value
        for entity in entities
        for key, value in entity.items()
        if key.endswith("topic")
    }
    assert topics <= set(retained)  # each entity has a value at once
    kinds = [(e["event"], e["reason"]) for e in content(heard, "events")]
    assert kinds == [("started", ""), ("ended", "stopped")]
    assert content(heard, "rules/any disc")[-1]["running"] is False
    (measures, *_) = content(heard, "zones/frame")
    assert all({"share", "count"} == set(values) for values in measures.values())
    picture = np.frombuffer(retained["kseg/hall/picture"], np.uint8)
    assert cv2.imdecode(picture, cv2.IMREAD_COLOR).shape == (480, 640, 3)
    assert retained["kseg/hall/availability"] == b"offline"
    assert "topics kseg/hall/#" in capsys.readouterr().err


def test_no_discovery_and_no_picture(mosquitto, zone_file):
    more = ("--max-frames", "2", "--no-discovery", "--mqtt-picture", "0")
    assert main(command(mosquitto, zone_file, *more)) == 0
    assert set(mosquitto.retained()) == {
        f"kseg/hall/{end}"
        for end in ("availability", "rules/any disc", "zones/frame", "zones/left")
    }


@pytest.mark.slow
@needs_posix
def test_a_killed_camera_is_offline(mosquitto, zone_file):
    heard = mosquitto.listen("kseg/hall/availability")
    zone = mosquitto.listen("kseg/hall/zones/left", "-C", "1")
    given = command(mosquitto, zone_file)
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *given],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: [m.payload for m in heard()] == [b"online"], 120)
        until(zone, 60)
        process.send_signal(signal.SIGKILL)
        until(lambda: [m.payload for m in heard()] == [b"online", b"offline"])
    finally:
        process.kill()
        process.wait()
    assert mosquitto.retained()["kseg/hall/availability"] == b"offline"


@pytest.mark.slow
def test_a_password_is_nowhere_to_be_seen(start_broker, zone_file, tmp_path):
    """Neither in the log, nor in the list of processes, nor in a file."""
    file = tmp_path / "secret"
    file.write_text("S3cret-Word#1\n", encoding="utf-8")
    broker = start_broker("allow_anonymous false", "log_type error")
    given = command(broker, zone_file, "--mqtt-password-file", str(file))
    address = f"mqtt://me@127.0.0.1:{broker.port}/kseg/hall"
    given = [address if text.startswith("mqtt://") else text for text in given]
    lines = tmp_path / "lines.jsonl"
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *given, "--frames-json", str(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    until(lambda: lines.is_file() and lines.stat().st_size > 1000, 120)
    until(lambda: "not authorised" in broker.log())
    assert "S3cret" not in " ".join(psutil.Process(process.pid).cmdline())
    process.terminate()
    log, _ = process.communicate(timeout=60)
    assert "the broker refuses the user name or the password; trying again" in log
    assert "S3cret" not in log + lines.read_text(encoding="utf-8")
    assert process.returncode == 0, log

"""Several sources from the command line of the camera."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.app import camera
from edge.app.camera_options import parse
from edge.app.shipped import shipped_model
from edge.core.errors import InputError
from edge.video import sources
from tests.edge.video.test_reconnect import free_port, needs_ffmpeg, sent
from tests.support.posix import needs_posix
from tests.support.viewer import LONG, until

SCRIPT = Path(__file__).resolve().parents[3] / "edge" / "camera_demo.py"
ZONES = {
    "zones": {"left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]},
    "rules": [{"name": "still there", "when": "share(disc) >= 0"}],
}


def run(*options) -> int:
    words = [shipped_model("shapes"), "--headless", *options]
    return camera.main(list(map(str, words)))


def lines_of(path: Path) -> list[dict]:
    """The whole lines of JSON of a file that may be being written."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What two sources write, one with a name and rules, and one without."""
    folder = tmp_path_factory.mktemp("written")
    zones = folder / "zones.json"
    zones.write_text(json.dumps(ZONES), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "SHAPES_SIZE", (96, 128))
        status = run(
            *("--source", "door=shapes", "--source", "shapes", "--max-frames", 21),
            *("--zones", f"door={zones}", "--events", folder / "events.jsonl"),
            *("--event-folder", folder / "events", "--masks", folder / "masks"),
            *("--capture", folder / "kept", "--every", "60s"),
            *("--record", folder / "out.avi", "--stats", folder / "stats.json"),
            *("--frames-json", folder / "lines.jsonl"),
        )
    assert status == 0
    return folder


def test_each_source_has_files_of_its_own(written):
    names = {"door", "2"}
    for folder in ("masks", "kept"):
        assert {path.name for path in (written / folder).iterdir()} == names
    assert {path.name for path in written.glob("*.avi")} == {
        "out-door.avi",
        "out-2.avi",
    }
    masks = {n: sorted((written / "masks" / n).iterdir()) for n in names}
    counts = [len(files) for files in masks.values()]
    assert sum(counts) == 21 and min(counts) > 4  # in turns, while neither is late
    assert {files[0].name for files in masks.values()} == {"000000.png"}
    for name in names:
        (line,) = lines_of(written / "kept" / name / "captured.jsonl")
        assert line["source"] == name


def test_lines_and_events_name_their_source(written):
    lines = lines_of(written / "lines.jsonl")
    counts = Counter(line["source"] for line in lines)
    assert counts.total() == 21 and set(counts) == {"door", "2"}
    for name in counts:
        own = [line for line in lines if line["source"] == name]
        assert [line["frame"] for line in own] == list(range(counts[name]))
        assert own[0]["seconds"] == 0
        assert ("zones" in own[0]) == (name == "door")
    events = lines_of(written / "events.jsonl")
    assert [(e["source"], e["event"]) for e in events] == [
        *(("door", "started"), ("door", "ended"))
    ]
    assert (written / "events" / events[0]["snapshot"]).exists()


def test_the_statistics_have_each_source(written):
    stats = json.loads((written / "stats.json").read_text(encoding="utf-8"))
    assert set(stats) == {"frames", "dropped", "fps", "engine", "threads", "sources"}
    door, second = stats["sources"]["door"], stats["sources"]["2"]
    assert door["frames"] + second["frames"] == stats["frames"] == 21
    assert set(door) - {"events"} == set(second)
    assert door["events"] == {"still there": 1}
    assert "draw" in door["stage_millis"] and 0 < door["age"] < 60
    assert 0 < door["fps"] < stats["fps"]


def test_a_name_without_other_sources_is_only_shown(tmp_path, capsys):
    assert run("--source", "door=shapes", "--max-frames", 1, "--masks", tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["000000.png"]
    assert "source door: shapes" in capsys.readouterr().err


def test_a_file_that_ends_or_fails_does_not_end_the_others(tmp_path, capsys):
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(b"no image")
    lines = tmp_path / "lines"
    with pytest.raises(InputError, match=r"a\.png"):
        run(
            *(
                "--source",
                f"bad={images}",
                "--source",
                Path(__file__).parents[3] / "docs",
            ),
            *("--frames-json", lines),
        )
    printed = capsys.readouterr()
    assert "\nbad: " in printed.err and "the others go on" in printed.err
    count = len(lines_of(lines))
    assert f"source 2: ended after {count} frames" in printed.err
    assert count > 3 and f"{count} frames, " in printed.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--zones", "gate=zones.json"], "--zones gate=zones.json: there is no source"),
        (["--record", "m.tflite"], "--record m-a.tflite: is the model too"),
        (["--record", "out.mp4", "--events", "out-2.mp4"], "--record writes to it too"),
        (["--source", "a=1"], "source a: two sources have this name"),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    for name in ("m-a.tflite", "m.tflite"):
        Path(name).touch()
    model = "m-a.tflite" if "m.tflite" in options else "m.tflite"
    words = [model, "--source", "a=shapes", "--source", "shapes", *options]
    with pytest.raises(InputError) as error:
        parse(words, "live", "")
    assert message in str(error.value)


def camera_process(folder: Path, *options):
    """The command, whose log is folder/log and whose frames are folder/lines."""
    words = [SCRIPT, shipped_model("shapes"), "--headless", *options]
    words += ["--frames-json", folder / "lines"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([sys.executable, *map(str, words)], stderr=log)


@needs_ffmpeg
def test_a_stream_that_is_killed_comes_back_while_the_other_goes_on(tmp_path):
    """The second one is not there at the start, and is killed once."""
    ports = free_port(), free_port()

    def count(name: str) -> int:
        return sum(line["source"] == name for line in lines_of(tmp_path / "lines"))

    addresses = [f"{n}=tcp://127.0.0.1:{p}" for n, p in zip("ab", ports, strict=True)]
    options = [word for address in addresses for word in ("--source", address)]
    with sent(ports[0]):
        time.sleep(0.5)  # until it listens
        with camera_process(tmp_path, *options) as process:
            try:
                until(lambda: count("a") > 5, "no frames of the first")
                assert not count("b")
                with sent(ports[1]):
                    until(lambda: count("b") > 5, "no frames of the second")
                seen, before = count("b"), count("a")
                until(lambda: count("a") > before + 20, "the first waits")
                assert count("b") <= seen + 20  # what was still on its way
                with sent(ports[1]):
                    seen = count("b")
                    until(lambda: count("b") > seen + 5, "it does not come back")
                process.terminate()
                assert process.wait(LONG) == 0
            finally:
                process.kill()
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "b: source tcp://127.0.0.1" in log and "it is tried again" in log
    again = f"b: source tcp://127.0.0.1:{ports[1]}: no more frames; reopening it"
    assert again in log.splitlines()
    assert log.count("reopened after") == 2


@pytest.mark.parametrize("sent_signal", [signal.SIGINT, signal.SIGTERM])
@needs_posix
def test_the_program_can_be_ended_while_sources_open(tmp_path, sent_signal):
    """Their threads wait in a library, which would hold back the last line."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        options = ["--source", "a=shapes", "--source", f"b={address}"]
        with camera_process(tmp_path, *options) as process:
            try:
                server.settimeout(LONG)
                with server.accept()[0]:  # it never answers
                    process.send_signal(sent_signal)
                    assert process.wait(LONG) == 130
            finally:
                process.kill()
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert log == "camera_demo: stopped by Ctrl-C\n"


def test_topics_have_a_level_with_the_source(mosquitto, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SHAPES_SIZE", (96, 128))
    zones = tmp_path / "zones.json"
    zones.write_text(json.dumps(ZONES), encoding="utf-8")
    status = run(
        *("--source", "door=shapes", "--source", "yard=shapes", "--max-frames", 40),
        *("--mqtt", f"127.0.0.1:{mosquitto.port}/home", "--zones", f"door={zones}"),
    )
    assert status == 0
    kept = mosquitto.retained()
    zone = json.loads(kept["home/door/zones/left"])
    assert "home/yard/zones/left" not in kept
    assert zone and json.loads(kept["home/yard/zones/frame"])
    assert json.loads(kept["home/door/rules/still there"])["source"] == "door"
    for name in ("door", "yard"):
        assert kept[f"home/{name}/availability"] == b"offline"
    devices = [
        json.loads(payload)["device"]
        for topic, payload in kept.items()
        if topic.startswith("homeassistant/")
    ]
    assert {device["name"] for device in devices} == {"door", "yard"}
    assert len({device["identifiers"][0] for device in devices}) == 2


def test_a_file_that_has_ended_is_unavailable_while_others_go_on(mosquitto, tmp_path):
    image = tmp_path / "image.png"
    assert cv2.imwrite(str(image), np.zeros((48, 64, 3), np.uint8))
    heard = mosquitto.listen()

    def told(name: str) -> list[bytes]:
        topic = f"home/{name}/availability"
        return [m.payload for m in heard() if m.topic == topic]

    where = f"127.0.0.1:{mosquitto.port}/home"
    options = ["--source", f"file={image}", "--source", "on=shapes", "--mqtt", where]
    with camera_process(tmp_path, *options) as process:
        try:
            until(lambda: told("file")[-1:] == [b"offline"], "it stays available")
            assert told("on") == [b"online"] and process.poll() is None
        finally:
            process.kill()


def test_no_secret_of_a_source_is_shown(capsys):
    address = f"rtsp://me:S3cretPw@127.0.0.1:{free_port()}/live"
    options = ["--source", "a=shapes", "--source", f"b={address}"]
    assert run(*options, "--max-frames", 9) == 0
    printed = capsys.readouterr()
    assert "b: source rtsp://***@127.0.0.1" in printed.err
    assert "S3cretPw" not in printed.err + printed.out

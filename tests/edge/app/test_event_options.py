"""Zones and events from the command line of the camera."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from argparse import Namespace
from http.server import HTTPServer
from pathlib import Path

import psutil
import pytest

from edge.app import camera
from edge.app.event_options import (
    check_address,
    check_rules,
    check_webhook,
    event_folder_sinks,
    event_log_sinks,
    header_of,
    usable_measures,
    watch_of,
    webhook_sinks,
)
from edge.app.shipped import shipped_model
from edge.core.errors import InputError
from edge.events.grammar import Vocabulary, parse_condition
from edge.model_file.info import ModelInfo
from edge.video import scenes, sources
from edge.video.frames import Source
from tests.edge.events.test_webhook import Receiver
from tests.support.events import END
from tests.support.object_results import DETECTION

ROOT = Path(__file__).resolve().parents[3]

DOOR = {"door": [[0.05, 0.3], [0.45, 0.3], [0.45, 0.95], [0.05, 0.95]]}
INFO = ModelInfo(("road", "traffic light"), ((0, 0, 1), (0, 1, 0)))
SOURCE = Source(iter(()), "camera")
NONE = {
    **dict.fromkeys(("zones", "events", "event_folder", "webhook")),
    **{"webhook_header": None, "track": False},
}


def zone_file(tmp_path, *rules, zones=DOOR, **more):
    path = tmp_path / "zones.json"
    named = [{"name": f"r{n}", "when": when} for n, when in enumerate(rules)]
    content = {"zones": zones, "rules": named, **more}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def options(**given):
    return Namespace(**{**NONE, **given})


def event_sinks(given, watch, source):
    return [
        *event_log_sinks(given, [watch]),
        *event_folder_sinks(given, watch, source),
        *webhook_sinks(given, [watch]),
    ]


def test_without_options_nothing_is_measured():
    assert watch_of(options(), INFO, SOURCE) is None
    assert list(event_sinks(options(), None, SOURCE)) == []


def test_zones_without_rules(tmp_path):
    given = options(zones=zone_file(tmp_path, smoothing_seconds=3))
    watch = watch_of(given, INFO, SOURCE)
    assert [zone.name for zone in watch.zones] == ["door"]
    assert [zone.name for zone in watch.measurer.zones] == ["frame", "door"]
    assert list(event_sinks(given, watch, SOURCE)) == []


def test_a_file_of_zones_for_all_sources_must_be_there(tmp_path):
    """The page creates a file of one source, but does not draw into that of all."""
    given = options(zones=tmp_path / "new.json", serve="8080")
    assert watch_of(given, INFO, SOURCE).zones == ()
    given.zones_shared = True
    with pytest.raises(InputError, match=r"new\.json"):
        watch_of(given, INFO, SOURCE)


def test_names_of_classes_in_rules_are_found_as_in_keep(tmp_path):
    path = zone_file(tmp_path, "share('Traffic Light', door) > 0.5")
    watch = watch_of(options(zones=path), INFO, SOURCE)
    (rule,) = watch.engine.rules
    (comparison,) = rule.condition.comparisons()
    assert comparison.quantity.class_name == "traffic light"


@pytest.mark.parametrize(
    ("rule", "info", "message"),
    [
        ("share(cat) > 0", INFO, "column 7: unknown class 'cat'; there are road"),
        ("share(road, gate) > 0", INFO, "there are frame, door"),
        (
            "count(road) > 0",
            INFO,
            "count is of objects, which this model does not find",
        ),
        ("dwell(cat) > 1 s", DETECTION, "column 1: dwell needs --track; add it"),
    ],
)
def test_rules_that_do_not_fit_the_model(tmp_path, rule, info, message):
    path = zone_file(tmp_path, rule)
    with pytest.raises(InputError, match=message) as error:
        watch_of(options(zones=path), info, SOURCE)
    assert str(error.value).startswith(f"{path}: rule 'r0', column ")


def test_measures_by_task():
    assert not any(usable_measures("instance", track=True).values())
    assert [m for m, why in usable_measures("detection", False).items() if not why] == [
        "share",
        "count",
    ]
    assert [m for m, why in usable_measures("semantic", False).items() if not why] == [
        "share"
    ]


def test_rules_that_record_nothing_are_named_once(tmp_path, capsys):
    path = zone_file(tmp_path, "share(road) > 0.5", "share(road) > 0.6")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["rules"][1]["record"] = {"before_seconds": 1}
    path.write_text(json.dumps(content), encoding="utf-8")
    rules = watch_of(options(zones=path), INFO, SOURCE).engine.rules
    check_rules(options(), [*rules, *rules])  # of two sources
    expected = "rule r1: nothing is recorded without --event-folder\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("option", ["events", "event_folder", "webhook"])
def test_sinks_of_events_need_rules(tmp_path, option):
    given = options(**{option: tmp_path / "x"})
    name = "--" + option.replace("_", "-")
    with pytest.raises(InputError, match=f"{name}: there are no rules.*; give --zones"):
        check_rules(given, [])
    given.zones = zone_file(tmp_path)
    with pytest.raises(InputError, match=f"{name}: there are no rules.*; add them"):
        check_rules(given, watch_of(given, INFO, SOURCE).engine.rules)


def test_an_address_in_the_environment(tmp_path, monkeypatch):
    given = options(webhook_header=tmp_path / "header.txt")
    with pytest.raises(InputError, match="--webhook-header needs --webhook, or"):
        check_webhook(given)
    monkeypatch.setenv("KSEG_WEBHOOK", "ftp://host/")
    check_webhook(options())  # nothing is sent there
    with pytest.raises(InputError, match="--webhook: the text is no web"):
        check_webhook(options(zones=tmp_path / "zones.json"))
    monkeypatch.setenv("KSEG_WEBHOOK", "http://127.0.0.1:9/")
    with pytest.raises(InputError, match="--webhook-header .*: cannot be read"):
        check_webhook(options(webhook="http://host/", webhook_header=tmp_path / "x"))
    assert watch_of(options(), INFO, SOURCE) is None  # it may be there for others
    given = options(zones=zone_file(tmp_path, "share(road) > 2 %"))
    log, hook = event_sinks(given, watch_of(given, INFO, SOURCE), SOURCE)
    assert hook.address == "http://127.0.0.1:9/"
    hook.close()


@pytest.mark.parametrize(
    "address", ["", "camera", "ftp://host/", "http://", "https://a b/", "http://h:0/"]
)
def test_addresses_that_are_none(address):
    with pytest.raises(
        InputError, match="--webhook: the text is no web address; write https"
    ):
        check_address(address)


def test_an_address_with_a_password():
    with pytest.raises(InputError, match="give --webhook-header") as error:
        check_address("https://me:s3cret@host/hook")
    assert "s3cret" not in str(error.value)


def test_the_header_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("KSEG_WEBHOOK_HEADER", raising=False)
    assert header_of(None) is None
    file = tmp_path / "header.txt"
    file.write_text("Authorization: Bearer abc\n", encoding="utf-8")
    assert header_of(file) == ("Authorization", "Bearer abc")
    monkeypatch.setenv("KSEG_WEBHOOK_HEADER", "X-Key:  a b c ")
    assert header_of(None) == ("X-Key", "a b c")


@pytest.mark.parametrize("text", ["", "S3cretWord", "X-Key: S3cretWord\nX: 1", "X: é"])
def test_a_header_that_is_none_is_not_shown(tmp_path, text):
    file = tmp_path / "header.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is not one line NAME: VALUE") as error:
        header_of(file)
    assert "S3cret" not in str(error.value)
    with pytest.raises(InputError, match="cannot be read"):
        header_of(tmp_path / "missing.txt")


def test_rules_without_lark_say_what_to_install(tmp_path, monkeypatch):
    from edge.events import grammar

    grammar.parser.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "lark", None)
    path = zone_file(tmp_path, "share(road) > 0")
    with pytest.raises(InputError, match="rules need Lark; pip install 'lark>="):
        watch_of(options(zones=path), INFO, SOURCE)
    watch_of(options(zones=zone_file(tmp_path)), INFO, SOURCE)  # zones do not


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The camera on shapes with zones, rules and all sinks: its folder and posts."""
    folder = tmp_path_factory.mktemp("run")
    rules = ("count(disc) >= 0 for 0.2 s", "dwell(square, door) > 1 s")
    path = zone_file(folder, *rules)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["rules"][1]["record"] = {"before_seconds": 0.5, "after_seconds": 0.5}
    path.write_text(json.dumps(content), encoding="utf-8")
    model = shutil.copy(shipped_model("shapes"), folder)
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.statuses, server.blocked = [], [], threading.Event()
    server.blocked.set()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "SHAPES_SIZE", (128, 128))  # which is quicker
        camera.main(
            [
                *(str(model), "--source", "shapes", "--track", "--headless"),
                *("--max-frames", "120", "--threads", "1", "--zones", str(path)),
                *("--events", str(folder / "events.jsonl")),
                *("--event-folder", str(folder / "events")),
                *("--frames-json", str(folder / "frames.jsonl")),
                *("--stats", str(folder / "stats.json")),
                *("--webhook", f"http://127.0.0.1:{server.server_port}/hook"),
            ]
        )
    server.shutdown()
    server.server_close()
    return folder, [body for _, _, body in server.got]


def lines_of(path):
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_events_of_a_run(run):
    folder, posts = run
    events = lines_of(folder / "events.jsonl")
    assert posts == events
    started = {e["rule"]: e for e in events if e["event"] == "started"}
    ended = {e["rule"]: e for e in events if e["event"] == "ended"}
    assert set(started) == set(ended) == {"r0", "r1"}
    assert (started["r0"]["start"], ended["r0"]["reason"]) == (0.2, "stopped")
    assert started["r1"]["quantity"] == "dwell(square, door)"
    assert 1 < started["r1"]["value"] <= ended["r1"]["peak"]
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    assert stats["events"]["r1"] == 1
    files = {path.name for path in (folder / "events").iterdir()}
    assert files == {started["r0"]["snapshot"], *(started["r1"][k] for k in KINDS)}


KINDS = ("snapshot", "recording")


def test_measures_and_events_of_each_frame(run):
    folder, _ = run
    frames = lines_of(folder / "frames.jsonl")
    assert len(frames) == 120
    last = frames[-1]
    assert set(last["zones"]) == {"frame", "door"}
    assert "r0" in last["events"] and frames[0]["events"] == []
    during = next(frame for frame in frames if "r1" in frame["events"])
    square = during["zones"]["door"]["square"]
    assert square["count"] >= 1 and square["dwell"] > 1 and 0 < square["share"] < 1


@pytest.mark.slow
def test_ctrl_c_ends_the_events_that_run(tmp_path):
    path, events = zone_file(tmp_path, "share(disc) >= 0"), tmp_path / "events.jsonl"
    command = [sys.executable, str(ROOT / "edge" / "camera_demo.py"), "--headless"]
    command += ["--model", "shapes", "--source", "shapes", "--zones", str(path)]
    process = subprocess.Popen(
        [*command, "--events", str(events)], stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and not (events.exists() and events.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert [(e["event"], e["reason"]) for e in lines_of(events)] == [
        ("started", ""),
        ("ended", "stopped"),
    ]
    assert "event r0: started, share(disc) is " in log and "(stopped), peak" in log


@pytest.mark.slow
def test_two_thousand_frames_take_no_memory(tmp_path, monkeypatch):
    """Measures, rules, recordings: after 500 frames the process does not grow."""
    path = zone_file(
        tmp_path,
        "share(disc, door) > 1 % for 1 s or entered(ring, door, 10 s) >= 1",
        "dwell(square, door) > 2 s and not count(cross) == 0",
    )
    content = json.loads(path.read_text(encoding="utf-8"))
    for rule in content["rules"]:
        rule["record"] = {"before_seconds": 2, "after_seconds": 1}
        rule["cool_down_seconds"] = 1
    path.write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setattr(sources, "SHAPES_SIZE", (96, 96))
    used = Memory()
    given = camera.parse(
        [
            *("--model", "shapes", "--source", "shapes", "--track", "--headless"),
            *("--zones", str(path), "--event-folder", str(tmp_path / "events")),
        ],
        "kseg live",
        "",
    )
    given.model = shipped_model("shapes")
    with camera.ExitStack() as stack:
        loop = camera.open_loop(given, None, stack)
        (feed,) = loop.feeds
        feed.sinks.append(used)
        loop.run(2000)
    assert sum(feed.watch.engine.counts.values()) >= 5
    assert len(list((tmp_path / "events").glob("*.mp4"))) >= 5
    assert max(used.bytes[1500:]) - max(used.bytes[500:700]) < 20 * 2**20


class Memory:
    """A sink that notes the memory of the process."""

    wants_view = False

    def __init__(self):
        self.bytes, self.process = [], psutil.Process()

    def take(self, displayed):
        self.bytes.append(self.process.memory_info().rss)


def blocks_of(language):
    text = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_file_of_the_documentation(tmp_path):
    zones, event = blocks_of("json")
    path = tmp_path / "zones.json"
    path.write_text(zones, encoding="utf-8")
    info = ModelInfo(scenes.CLASSES, scenes.COLORS, task="instance")
    watch = watch_of(options(zones=path, track=True, event_folder="x"), info, SOURCE)
    assert [rule.records for rule in watch.engine.rules] == [True, False, False]
    assert list(json.loads(event)) == list(END.to_json())


def test_the_rules_of_the_documentation():
    measures = dict.fromkeys(usable_measures("instance", track=True), "")
    zones = ("frame", "door", "exit", "left bank", "quay")
    words = Vocabulary(measures, zones, str, ())
    (rules,) = blocks_of("text")
    assert all(parse_condition(rule, words) for rule in rules.splitlines())

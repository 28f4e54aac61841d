"""Zones saved through the page of the real command, and the rules that use them."""

import json
import signal
import subprocess
import sys
from argparse import Namespace
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.app.shipped import shipped_model
from edge.app.zone_saving import zone_store_of
from edge.core.errors import InputError
from edge.display.sinks import Controls
from edge.display.view import View
from edge.events.engine import Engine
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo
from edge.zones.measuring import Measurer
from edge.zones.zone import Zone
from edge.zones.zone_file import write_zone_file
from tests.edge.display.web.test_zone_store import RIGHT
from tests.support.posix import needs_posix
from tests.support.viewer import LONG, get, put_zones, until

SCRIPT = Path(__file__).resolve().parents[3] / "edge" / "camera_demo.py"
LEFT = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
TOP = Zone("top", ((0.0, 0.0), (1.0, 0.0), (1.0, 0.2)))
INFO = ModelInfo(class_names=("dark",), colors=((0, 0, 9),))


@contextmanager
def camera(*options):
    """The command with --serve: its process, as what `get` takes."""
    command = [SCRIPT, shipped_model("shapes"), "--source", "shapes", "--serve", "0"]
    process = subprocess.Popen(
        [sys.executable, *map(str, (*command, *options))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            lines = iter(process.stderr.readline, "")
            url = next(line.split()[1] for line in lines if line.startswith("view "))
            port = int(url.rstrip("/").rpartition(":")[2])
            yield SimpleNamespace(listener=SimpleNamespace(port=port))
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=LONG)
        finally:
            process.kill()
    assert process.returncode == 0


def read(shown, path):
    return json.loads(get(shown, path).body)


@pytest.mark.slow
@needs_posix
def test_the_command_creates_the_file_and_starts_again_with_it(tmp_path):
    path = tmp_path / "zones.json"
    with camera("--zones", path) as shown:
        assert put_zones(shown, {"left": LEFT}).status == 200
        until(lambda: "left" in read(shown, "/api/zones")["measures"], "not measured")
    assert json.loads(path.read_text(encoding="utf-8")) == {"zones": {"left": LEFT}}
    rule = {"name": "any", "when": "share(disc, left) >= 0 or count(ring, left) >= 0"}
    content = {"zones": {"left": LEFT}, "rules": [rule]}
    path.write_text(json.dumps(content), encoding="utf-8")
    with camera("--zones", path) as shown:
        until(lambda: read(shown, "/api/events")["events"], "no event")
        assert read(shown, "/api/events")["events"][0]["rule"] == "any"
        assert b'kseg_events_running{rule="any"} 1' in get(shown, "/metrics").body
        answer = put_zones(shown, {"right": LEFT})
        assert answer.status == 400
        error = json.loads(answer.body)["error"]
        assert error.startswith("zones: a rule cannot be used with them (")
        assert put_zones(shown, {"left": LEFT, "right": LEFT}).status == 200
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found == {"zones": {"left": LEFT, "right": LEFT}, "rules": [rule]}


def test_zones_that_a_rule_needs_cannot_be_removed(tmp_path):
    path = tmp_path / "zones.json"
    write_zone_file(
        path, [RIGHT], [{"name": "dark", "when": "share(dark, right) > 1 %"}]
    )
    before = path.read_bytes()
    watch = Watch(Measurer(INFO, [RIGHT]), Engine([]))
    given = Namespace(zones=path, track=False)
    store = zone_store_of(given, watch, INFO, Controls(View()))
    expected = r"rule cannot be used .*zones.json: rule 'dark', column .*unknown zone"
    with pytest.raises(InputError, match=expected):
        store.save([])
    assert path.read_bytes() == before and watch.zones == (RIGHT,)
    store.save([RIGHT, TOP])
    assert watch.zones == (RIGHT, TOP)


def test_without_measures_there_is_nothing_to_save():
    assert zone_store_of(Namespace(zones=None), None, INFO, None) is None


@pytest.mark.parametrize("option", ["--events", "--event-folder"])
def test_a_new_file_has_no_rules_that_options_of_events_need(option, tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(shipped_model("shapes"))]
        + ["--source", "shapes", "--serve", "0", "--zones", str(tmp_path / "z.json")]
        + [option, str(tmp_path / "events")],
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert done.returncode == 2
    assert "there are no rules of events; add them to --zones" in done.stderr

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
from edge.model_file.info import ModelInfo
from tests.support.posix import needs_posix
from tests.support.viewer import LONG, get, put_zones, until

SCRIPT = Path(__file__).resolve().parents[3] / "edge" / "camera_demo.py"
LEFT = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
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
        assert "rule 'any', column" in error and "left" in error
        assert put_zones(shown, {"left": LEFT, "right": LEFT}).status == 200
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found == {"zones": {"left": LEFT, "right": LEFT}, "rules": [rule]}


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

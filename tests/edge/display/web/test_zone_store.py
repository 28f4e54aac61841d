"""Zones that are replaced while the camera runs, and their file."""

import json

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.display.sinks import Controls
from edge.display.view import View
from edge.display.web.zone_store import NotSaved, Outdated, ZoneStore, parse_zones
from edge.events.engine import Engine
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.zones.measuring import Measurer
from edge.zones.zone import Zone
from tests.support.posix import needs_posix

INFO = ModelInfo(class_names=("dark", "bright"), colors=((0, 0, 9), (200, 100, 0)))
HALF = SemanticMap(np.repeat(np.uint8([[0, 0, 1, 1]]), 4, axis=0))
RIGHT = Zone("right", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
POINTS = [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]


def store_of(path, zones=(), **options):
    watch = Watch(Measurer(INFO, zones, 0), Engine([]))
    return ZoneStore(watch, Controls(View(zones=zones)), path, **options)


def test_saved_zones_are_measured_drawn_and_in_the_file(tmp_path):
    path = tmp_path / "zones.json"
    store = store_of(path)
    before = store.version
    store.save([RIGHT])
    assert json.loads(path.read_text(encoding="utf-8")) == {"zones": {"right": POINTS}}
    assert store.controls.view.zones == store.watch.zones == (RIGHT,)
    assert store.to_json() == {"right": POINTS}
    assert store.version != before
    store.watch(0.0, HALF)
    assert store.watch.measures.value("share", "bright", "right") == 1.0
    store.save([])
    assert store.version == before


def test_everything_else_in_the_file_stays(tmp_path):
    path = tmp_path / "zones.json"
    rules = [{"name": "glare", "when": "share(bright, right) > 0.5"}]
    content = {"zones": {}, "rules": rules, "smoothing_seconds": 0}
    path.write_text(json.dumps(content), encoding="utf-8")
    store = store_of(path)
    store.save([RIGHT])
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found == {**content, "zones": {"right": POINTS}}
    for seconds, labels in (
        (0.0, 0),
        (1.0, 1),
    ):  # without smoothing the last one counts
        store.watch(seconds, SemanticMap(np.full((4, 4), labels, np.uint8)))
    assert store.watch.measures.value("share", "bright", "right") == 1.0


def test_zones_that_rules_need_are_not_removed(tmp_path):
    def check(file):
        if not file.zones:
            raise InputError("rule 'glare' needs the zone right")

    path = tmp_path / "zones.json"
    store = store_of(path, check=check)
    store.save([RIGHT])
    before = path.read_bytes()
    with pytest.raises(InputError, match="needs the zone right"):
        store.save([])
    assert path.read_bytes() == before and store.watch.zones == (RIGHT,)


def test_a_change_of_zones_that_were_changed_meanwhile_is_refused(tmp_path):
    store = store_of(tmp_path / "zones.json")
    seen = store.version
    store.save([RIGHT], seen)
    with pytest.raises(Outdated):
        store.save([], seen)
    store.save([], store.version)


def test_a_broken_file_is_not_replaced(tmp_path):
    path = tmp_path / "zones.json"
    path.write_text("{", encoding="utf-8")
    store = store_of(path)
    with pytest.raises(NotSaved, match="is not JSON"):
        store.save([RIGHT])
    assert path.read_text(encoding="utf-8") == "{" and store.watch.zones == ()


@needs_posix
def test_a_file_that_cannot_be_written_changes_nothing(tmp_path):
    folder = tmp_path / "gone"
    store = store_of(folder / "zones.json")
    with pytest.raises(NotSaved, match="cannot be written"):
        store.save([RIGHT])
    assert store.watch.zones == () and store.controls.view.zones == ()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", 'is not JSON; send {"zones": {"door"'),
        (b"\xff", "is not JSON"),
        (b"[" * 60_000, "is not JSON"),
        (b"[]", r"the request is \[\]; send"),
        (b'{"zones": []}', "the request is .*; send"),
        (b'{"zones": {}, "rules": []}', "unknown key 'rules'; the keys are zones"),
        (b'{"zones": {"a": 1, "a": 2}}', "'a' is there twice; rename one"),
        (b'{"zones": {"a": [[0, 0], [1, 1]]}}', "zone 'a': has 2 points"),
        (b'{"zones": {"a": [[0, 0], [1, NaN], [1, 1]]}}', "point 2 is"),
        (b'{"zones": {"a": [[0, 0], [1, 1], [1, 0], [0, 1]]}}', "1 and 3 cross"),
        (b'{"zones": {"frame": [[0, 0], [1, 0], [1, 1]]}}', "is the name of the whole"),
        (json.dumps({"zones": {str(n): 0 for n in range(101)}}).encode(), "at most"),
    ],
)
def test_invalid_zones_are_refused_in_one_line(body, message):
    with pytest.raises(InputError, match=message) as error:
        parse_zones(body)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_valid_zones():
    body = json.dumps({"zones": {"right": POINTS}}).encode()
    assert parse_zones(body) == (RIGHT,)
    assert parse_zones(b'{"zones": {}}') == ()

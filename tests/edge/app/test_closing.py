"""How the sinks of the camera are closed."""

import json
import threading

import pytest

from edge.app.camera import close_all, main
from edge.core.errors import GateFailed, InputError


class Closing:
    """A sink that notes when it is closed, and may fail."""

    def __init__(self, name, closed, failure=None):
        self.name, self.closed, self.failure = name, closed, failure

    def close(self):
        self.closed.append(self.name)
        if self.failure:
            raise self.failure


def test_all_are_closed_in_their_order_also_after_one_has_failed():
    closed: list[str] = []
    sinks = [
        Closing("record", closed, GateFailed("the disk is full")),
        Closing("mqtt", closed),
    ]
    with pytest.raises(GateFailed, match="the disk is full"):
        close_all(sinks)
    assert closed == ["record", "mqtt"]


def test_those_that_take_long_begin_together():
    class Network(Closing):
        def begin_closing(self):
            self.closed.append(f"begin {self.name}")

    closed: list[str] = []
    sinks = [Closing("record", closed), Network("a", closed), Network("b", closed)]
    close_all(sinks)
    assert closed == ["begin a", "begin b", "record", "a", "b"]


def test_those_before_an_invalid_one_are_closed(deeplab, bird, tmp_path, monkeypatch):
    zones, lines = tmp_path / "zones.json", tmp_path / "lines"
    rule = {"name": "dark", "when": "share('class 0') > 0.5", "record": {}}
    before = set(threading.enumerate())
    words = ["--source", bird, "--headless", "--zones", zones, "--events", lines]
    words += ["--capture", tmp_path / "captured", "--every", "10s"]
    words += ["--event-folder", tmp_path]
    zones.write_text(json.dumps({"rules": [rule]}), encoding="utf-8")
    monkeypatch.setenv("KSEG_READER", "vlc")  # with which nothing is recorded
    with pytest.raises(InputError, match="KSEG_READER"):
        main([str(deeplab), *map(str, words)])
    assert set(threading.enumerate()) <= before

"""What a broker gets of measures, events and views, made by hand."""

import json
import socket
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.events.mqtt import client as client_module
from edge.events.mqtt.discovery import Announcer, Contents
from edge.events.mqtt.outbox import Outbox
from edge.events.mqtt.sink import Mqtt
from edge.events.mqtt.topics import Topics
from edge.zones.measures import Measures
from tests.support.events import END, START, shown
from tests.support.mosquitto import until

TOPICS = Topics("kseg/door")
CAT = {"share": 0.123456, "count": 2.0}


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(mosquitto, connect, clock):
    """`start(**options)` gives a connected sink, and what the broker has told."""

    def start(outbox=None, announcer=None, **options):
        heard = mosquitto.listen()
        client = connect(mosquitto.port, outbox, announcer=announcer)
        until(lambda: client.connected)
        return Mqtt(client, TOPICS, clock=clock, **options), heard

    return start


def measured(**zones):
    return replace(shown(), measures=Measures(zones))


def take(sink, displayed):
    """Let it publish a frame before the next one comes."""
    sink.take(displayed)
    until(lambda: sink.client.outbox.empty)


def payloads(heard, topic):
    return [json.loads(m.payload) for m in heard() if m.topic == f"kseg/door/{topic}"]


def test_measures_are_published_when_they_change_and_once_a_second(
    start, clock, mosquitto
):
    sink, heard = start()
    empty = {"frame": {}, "a/b": {"cat": {"share": 0.0}}}
    for now, share in ((0.0, 0.1), (0.5, 0.2), (0.9, 0.3), (1.0, 0.4), (2.0, 0.4)):
        clock.now = now
        take(sink, measured(**{**empty, "frame": {"cat": {**CAT, "share": share}}}))
    until(lambda: len(payloads(heard, "zones/frame")) == 2)
    clock.now = 2.1
    sink.take(measured(**{**empty, "frame": {"cat": {**CAT, "share": 0.123456}}}))
    sink.close()  # which publishes the last ones
    until(lambda: len(payloads(heard, "zones/frame")) == 3)
    shares = [found["cat"]["share"] for found in payloads(heard, "zones/frame")]
    assert shares == [0.1, 0.4, 0.1235]
    assert payloads(heard, "zones/frame")[0] == {"cat": {"share": 0.1, "count": 2}}
    assert payloads(heard, "zones/a%2Fb") == [{"cat": {"share": 0.0}}]
    assert (
        json.loads(mosquitto.retained()["kseg/door/zones/frame"])["cat"]["count"] == 2
    )


def test_zones_that_are_drawn_are_announced_and_others_leave(start, clock, mosquitto):
    announcer = Announcer(TOPICS, Contents(("frame", "old"), ("cat",), ("share",)))
    sink, heard = start(announcer=announcer)
    cat = {"cat": {"share": 0.5}}
    take(sink, measured(frame=cat, old=cat))
    assert "kseg/door/zones/old" in mosquitto.retained()
    clock.now = 1.0
    take(sink, measured(frame=cat, new=cat))
    sink.close()
    retained = mosquitto.retained()
    assert "kseg/door/zones/old" not in retained
    assert json.loads(retained["kseg/door/zones/new"]) == cat
    entities = json.loads(retained[announcer.topic])["components"].values()
    names = [entity.get("name", "removed") for entity in entities]
    assert names == ["removed", "picture", "frame cat share", "new cat share"]


def test_a_noise_of_the_fifth_digit_is_no_change(start, clock):
    sink, heard = start()
    for number in range(5):
        clock.now = 2.0 * number
        sink.take(measured(frame={"cat": {"share": 0.5 + number * 1e-5}}))
    sink.close()
    until(lambda: payloads(heard, "zones/frame"))
    assert payloads(heard, "zones/frame") == [{"cat": {"share": 0.5}}]


def test_events_are_told_once_and_rules_keep_their_last_event(start, mosquitto):
    sink, heard = start(rules=("smoke", "fire"))
    until(lambda: len(payloads(heard, "rules/smoke")) == 1)
    sink.take(shown(START))
    sink.take(shown())
    until(lambda: len(payloads(heard, "events")) == 1)
    retained = mosquitto.retained()
    assert json.loads(retained["kseg/door/rules/smoke"]) == {
        "running": True,
        **START.to_json(),
    }
    assert "kseg/door/events" not in retained
    sink.take(shown(END, redrawn=True))  # as at the end of the program
    sink.close()
    until(lambda: len(payloads(heard, "rules/smoke")) == 3)
    assert payloads(heard, "events") == [START.to_json(), END.to_json()]
    running = [state["running"] for state in payloads(heard, "rules/smoke")]
    assert running == [False, True, False]
    assert payloads(heard, "rules/fire") == [{"running": False, "rule": "fire"}]


def test_too_many_events_are_said_once(start, capsys):
    sink, heard = start(Outbox(most_events=0))
    sink.take(shown(START, END))
    sink.close()
    lines = capsys.readouterr().err.splitlines()
    assert sum("events wait to be sent; the oldest are lost" in x for x in lines) == 1
    assert any("messages of events that were not delivered: 2" in x for x in lines)


def test_a_picture_is_published_every_few_seconds(start, clock):
    sink, heard = start(picture_seconds=10.0)
    wanted = []
    for now in (0.0, 4.0, 9.9, 10.0, 19.0, 20.5):
        clock.now = now
        wanted.append(sink.wants_view)
        sink.take(shown(level=int(now * 10)))
        until(lambda: len(pictures(heard)) == sum(wanted))
    assert wanted == [True, False, False, True, False, True]
    assert pictures(heard) == pytest.approx([0, 100, 205], abs=2)


def pictures(heard):
    """The grey level of each picture."""
    found = [m.payload for m in heard() if m.topic == "kseg/door/picture"]
    return [int(cv2.imdecode(np.frombuffer(p, np.uint8), 0)[0, 0]) for p in found]


def test_no_picture_is_drawn_where_none_is_wanted_or_no_broker_is_there(
    start, connect, mosquitto
):
    sink, _ = start(picture_seconds=0)
    assert not sink.wants_view
    mosquitto.kill()
    assert not Mqtt(connect(mosquitto.port), TOPICS).wants_view


@pytest.mark.parametrize("live", [True, False])
def test_a_live_source_without_frames_is_offline(live, start, clock):
    def values():
        found = [m.payload for m in heard() if m.topic == "kseg/door/availability"]
        return b" ".join(found)

    sink, heard = start(live=live)
    until(lambda: sink.client.outbox.empty)
    clock.now = 9.0
    sink.take(shown())
    clock.now = 19.5  # 10.5 seconds later
    sink.take(shown(redrawn=True))  # as the loop draws the last frame again
    time.sleep(0.3)
    until(lambda: values().endswith(b"offline" if live else b"online"))
    clock.now = 20.0
    sink.take(shown())
    until(lambda: values().endswith(b"online"))
    sink.close()
    expected = b"online offline online offline" if live else b"online offline"
    until(lambda: values() == expected)


def test_a_source_that_has_ended_is_offline_while_the_program_goes_on(start, clock):
    def values(topic):
        return [m.payload for m in heard() if m.topic == f"kseg/door/{topic}"]

    sink, heard = start()
    take(sink, measured(door={"cat": CAT}))
    take(sink, measured(door={}))  # within the same second, so not published yet
    sink.end_source()
    until(lambda: values("availability") == [b"online", b"offline"])
    assert values("zones/door")[-1] == b"{}"
    sink.take(shown(redrawn=True))  # a viewer changes the view
    time.sleep(0.3)
    assert values("availability")[-1] == b"offline"


def test_the_loop_does_not_wait_for_a_silent_broker(connect, clock, monkeypatch):
    monkeypatch.setattr(client_module, "CLOSE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = Mqtt(connect(server.getsockname()[1]), TOPICS, clock=clock)
        began = time.perf_counter()
        for number in range(100):
            clock.now += 1.0
            values = {"frame": {"a": {"share": number / 100}}}
            sink.take(replace(shown(START), measures=Measures(values)))
        assert time.perf_counter() - began < 5  # an answer would take ten seconds
        assert sink.client.outbox.waiting == 100
        sink.close()

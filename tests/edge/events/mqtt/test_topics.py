"""Topics and ids of a camera."""

import re

import pytest

from edge.events.mqtt.topics import Topics, default_prefix, level


def test_all_topics_are_below_the_prefix():
    topics = Topics("kseg/door")
    assert topics.name == "door"
    assert topics.availability == "kseg/door/availability"
    assert topics.events == "kseg/door/events"
    assert topics.picture == "kseg/door/picture"
    assert topics.zone("frame") == "kseg/door/zones/frame"
    assert topics.rule("a car") == "kseg/door/rules/a car"


def test_any_name_is_one_level_of_a_topic():
    assert topics_of("a/b", "a+b", "a#b", "a%2Fb", "a\0b", "día") == [
        *("a%2Fb", "a%2Bb", "a%23b", "a%252Fb", "a%00b", "día")
    ]


def topics_of(*names):
    return [level(name) for name in names]


def test_ids_suit_home_assistant_and_every_broker():
    first, second = Topics("kseg/front door"), Topics("kseg/front_door")
    assert re.fullmatch(r"kseg_front_door_[0-9a-f]{8}", first.node)
    assert re.fullmatch(r"[a-z0-9]{1,23}", first.client_id)
    assert first.node != second.node and first.client_id != second.client_id
    assert first.node == Topics("kseg/front door").node  # in each run


@pytest.mark.parametrize(
    ("source", "end"),
    [
        ("camera 0", "pi4-camera-0"),
        ("rtsp://***@10.0.0.7/***", "pi4-rtsp-10.0.0.7"),
        ("shapes", "pi4-shapes"),
        ("", "pi4"),
    ],
)
def test_the_default_prefix_names_machine_and_source(source, end, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "pi4")
    assert default_prefix(source) == f"kseg/{end}"

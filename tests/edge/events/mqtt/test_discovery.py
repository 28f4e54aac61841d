"""The message that Home Assistant reads, against what it requires.

The required keys are those of Home Assistant's schemas: DEVICE_DISCOVERY_SCHEMA of
homeassistant/components/mqtt/schemas.py, and the pages of the three platforms.
"""

import json
import re
from dataclasses import replace

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edge.events.mqtt.discovery import (
    Announcer,
    Contents,
    discovery_message,
    template,
    without_old,
)
from edge.events.mqtt.outbox import Message
from edge.events.mqtt.topics import Topics

TOPICS = Topics("kseg/door")
CONTENTS = Contents(
    zones=("frame", "front door"),
    classes=("cat", 'día\'s "dog"\\'),
    measures=("share", "count"),
    rules=("smoke", "a/b"),
    model="int8.tflite",
)
REQUIRED = {
    "sensor": {"state_topic"},
    "binary_sensor": {"state_topic"},
    "camera": {"topic"},
}
# As HA's own: the topics that it listens to below homeassistant/.
TOPIC = re.compile(r"homeassistant/device/(?P<object_id>[a-zA-Z0-9_-]+)/config")


def content_of(contents=CONTENTS, topics=TOPICS):
    return json.loads(discovery_message(topics, contents).payload)


def rendered(text, payload):
    """A template with a message, as Home Assistant renders it."""
    environment = ImmutableSandboxedEnvironment()
    return environment.from_string(text).render(value_json=json.loads(payload))


def test_the_message_is_retained_on_a_topic_of_home_assistant():
    message = discovery_message(TOPICS, CONTENTS)
    assert message.retain and message.quality == 1
    assert TOPIC.fullmatch(message.topic)["object_id"] == TOPICS.node


def test_it_has_what_home_assistant_requires():
    content = content_of()
    assert content["device"] == {
        "identifiers": [TOPICS.node],
        "name": "door",
        "manufacturer": "kseg",
        "model": "int8.tflite",
    }
    assert content["origin"]["name"] == "kseg"
    assert content["availability_topic"] == "kseg/door/availability"
    for key, entity in content["components"].items():
        assert re.fullmatch("[a-zA-Z0-9_-]+", key)
        assert REQUIRED[entity["platform"]] <= set(entity)
        assert entity["unique_id"] and entity["name"]
        topics = [v for k, v in entity.items() if k.endswith("topic")]
        assert all(
            t.startswith("kseg/door/") and not set(t) & set("+#") for t in topics
        )


def test_there_is_an_entity_for_each_rule_and_each_measure_of_a_class_in_a_zone():
    entities = list(content_of()["components"].values())
    names = [entity["name"] for entity in entities]
    assert names[:4] == ["smoke", "a/b", "picture", "frame cat share"]
    assert len(names) == 2 + 1 + 2 * 2 * 2
    by_name = dict(zip(names, entities, strict=True))
    share, count = by_name["front door cat share"], by_name["front door cat count"]
    assert share["state_topic"] == count["state_topic"] == "kseg/door/zones/front door"
    assert (share["unit_of_measurement"], count.get("unit_of_measurement")) == (
        "%",
        None,
    )
    assert by_name["picture"]["topic"] == "kseg/door/picture"
    assert by_name["a/b"]["state_topic"] == "kseg/door/rules/a%2Fb"


def test_ids_are_unique_and_the_same_in_each_run_and_order():
    first = content_of()["components"]
    ids = [entity["unique_id"] for entity in first.values()]
    assert len(set(ids)) == len(ids)
    other = replace(CONTENTS, classes=("x", *reversed(CONTENTS.classes)), rules=())
    second = content_of(other)["components"]
    shared = set(first) & set(second)
    assert len(shared) == 1 + 8
    assert all(first[key] == second[key] for key in shared)
    assert not set(ids) & {
        entity["unique_id"]
        for entity in content_of(topics=Topics("kseg/back"))["components"].values()
    }


def test_names_that_look_alike_have_different_ids():
    contents = Contents(("a b", "a_b"), ("c",), ("share",), rules=("a b", "a_b"))
    components = content_of(contents)["components"]
    assert len(components) == 5
    assert len({entity["unique_id"] for entity in components.values()}) == 5


@pytest.mark.parametrize(
    "name", ["cat", 'día\'s "dog"\\', "{{ x }}%}", "犬", "😀", "items"]
)
def test_templates_take_the_values_of_any_class(name):
    payload = json.dumps({name: {"share": 0.12345, "count": 2, "dwell": 3.6}})
    assert rendered(template(name, "share"), payload) == "12.3"
    assert rendered(template(name, "count"), payload) == "2"
    assert rendered(template(name, "dwell"), payload) == "4.0"
    for measure in ("share", "count", "dwell"):  # of a class that was never there
        assert float(rendered(template(name, measure), "{}")) == 0


def test_a_rule_is_on_while_its_event_runs():
    rule = next(iter(content_of()["components"].values()))
    assert rendered(rule["value_template"], '{"running": true}') == "ON"
    assert rendered(rule["value_template"], '{"running": false, "rule": "x"}') == "OFF"


def test_of_many_sensors_only_those_of_rules_are_on():
    names = tuple(f"class {number}" for number in range(60))
    contents = replace(
        CONTENTS,
        classes=names,
        in_rules=frozenset({("count", "class 7", "frame")}),
    )
    entities = content_of(contents)["components"].values()
    sensors = [entity for entity in entities if entity["platform"] == "sensor"]
    enabled = [x["name"] for x in sensors if x["enabled_by_default"]]
    assert (len(sensors), enabled) == (240, ["frame class 7 count"])
    few = content_of(replace(contents, classes=names[:25]))["components"].values()
    assert not any("enabled_by_default" in entity for entity in few)


def test_measures_that_the_model_lacks_have_no_sensor():
    contents = replace(CONTENTS, measures=("share",), rules=(), picture=False)
    entities = content_of(contents)["components"].values()
    assert {entity["name"].split()[-1] for entity in entities} == {"share"}


def test_entities_that_are_gone_are_removed():
    old = discovery_message(TOPICS, CONTENTS)
    message = discovery_message(TOPICS, replace(CONTENTS, zones=("frame", "back door")))
    components = json.loads(without_old(message, old.payload).payload)["components"]
    gone = {k: v for k, v in components.items() if set(v) == {"platform"}}
    before = content_of()["components"]
    assert {before[key]["name"] for key in gone} == {
        f"front door {name} {measure}"
        for name in CONTENTS.classes
        for measure in CONTENTS.measures
    }
    assert {entity["platform"] for entity in gone.values()} == {"sensor"}
    assert list(components)[: len(gone)] == list(gone)
    rest = {key: value for key, value in components.items() if key not in gone}
    assert rest == json.loads(message.payload)["components"]
    # Next time they need not be removed again.
    assert without_old(message, without_old(message, old.payload).payload) is None


def test_what_a_message_removes_is_removed_by_the_next_too():
    """Without a broker only the newest message is sent."""
    announcer = Announcer(TOPICS, Contents(("frame", "old"), ("cat",), ("share",)))
    sent: list[Message] = []
    announcer.set_zones(("frame",), sent.append)
    announcer.set_zones(("frame",), sent.append)  # the same: nothing is published
    announcer.set_zones(("frame", "new"), sent.append)
    first, second = (json.loads(message.payload)["components"] for message in sent)
    (gone,) = [key for key, entity in first.items() if set(entity) == {"platform"}]
    assert second[gone] == {"platform": "sensor"}
    announcer.set_zones(("frame", "old"), sent.append)  # it is there again
    assert json.loads(sent[-1].payload)["components"][gone]["name"] == "old cat share"


def test_only_topics_of_zones_and_rules_are_removed():
    """An older message is what any client of the broker may have written there."""
    old = json.loads(discovery_message(TOPICS, CONTENTS).payload)
    for number, topic in enumerate(("kseg/door/zones/#", "kseg/door/availability", 1)):
        entity = {"platform": "sensor", "state_topic": topic}
        old["components"][f"other{number}"] = entity
    announcer = Announcer(TOPICS, replace(CONTENTS, zones=("frame",), rules=("a/b",)))
    sent: list[Message] = []
    announcer.renew(json.dumps(old).encode(), sent.append)
    assert [(message.topic, message.payload) for message in sent[:-1]] == [
        ("kseg/door/rules/smoke", b""),
        ("kseg/door/zones/front door", b""),
    ]
    assert sent[-1] == announcer.message


@pytest.mark.parametrize(
    "old",
    [b"", b"[]", b"{}", b'{"components": 1}', b'{"components": {"a": 1}}', b"\xff"],
)
def test_an_older_message_of_another_form_is_ignored(old):
    assert without_old(discovery_message(TOPICS, CONTENTS), old) is None

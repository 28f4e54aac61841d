"""The rules of a file of zones."""

import pytest

from edge.core.errors import InputError
from edge.events.grammar import Vocabulary
from edge.events.rule_reading import read_rules

WORDS = Vocabulary({"share": ""}, ("frame",), str, ())
RULE = {"name": "smoke", "when": "share(smoke)  > 0.3"}


def test_a_rule_with_defaults():
    (rule,) = read_rules([RULE], WORDS, "zones.json")
    assert (rule.name, rule.when) == ("smoke", "share(smoke) > 0.3")
    assert (rule.hysteresis, rule.cool_down_seconds, rule.snapshot) == (
        None,
        10.0,
        True,
    )
    assert not rule.records


def test_a_rule_with_everything():
    entry = {
        **RULE,
        **{"hysteresis": 0, "cool_down_seconds": 0, "snapshot": False},
        "record": {"before_seconds": 0, "after_seconds": 20},
    }
    (rule,) = read_rules([entry], WORDS, "zones.json")
    assert (rule.hysteresis, rule.cool_down_seconds, rule.snapshot) == (0.0, 0.0, False)
    assert rule.records and (rule.before_seconds, rule.after_seconds) == (0.0, 20.0)
    (rule,) = read_rules([{**RULE, "record": {}}], WORDS, "zones.json")
    assert (rule.before_seconds, rule.after_seconds) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["smoke"], "rule 1 is 'smoke'; write an object"),
        ([RULE, {"when": ""}], "rule 2 has no name; give one"),
        ([{**RULE, "name": " "}], "rule 1 has the name ' '"),
        ([{**RULE, "name": "a" * 101}], "give it a name of 1 to 100 characters"),
        ([RULE, RULE], "two rules have the name 'smoke'; rename one"),
        ([{"name": "smoke"}], "rule 'smoke': has no when; write a condition such as"),
        ([{**RULE, "when": 3}], "rule 'smoke': when is 3; write a text"),
        ([{**RULE, "whenn": ""}], "rule 'smoke': unknown key 'whenn'"),
        (
            [{**RULE, "when": "share(smoke) > 0.3 for"}],
            "rule 'smoke', column 23: expected a time such as 5 s, found the end",
        ),
        (
            [{**RULE, "hysteresis": -1}],
            "hysteresis is -1; write a number of at least 0",
        ),
        ([{**RULE, "hysteresis": None}], "hysteresis is None"),
        ([{**RULE, "cool_down_seconds": "5"}], "cool_down_seconds is '5'"),
        ([{**RULE, "snapshot": 1}], "snapshot is 1; write true or false"),
        ([{**RULE, "record": True}], "record is True; write {"),
        ([{**RULE, "record": {"before": 1}}], "record: unknown key 'before'"),
        (
            [{**RULE, "record": {"before_seconds": 61}}],
            "record: before_seconds is 61; write a number of at least 0 and at most 60",
        ),
        ([RULE] * 101, "has 101 rules"),
    ],
)
def test_mistakes_are_one_line(entries, message):
    with pytest.raises(InputError, match=message) as error:
        read_rules(entries, WORDS, "zones.json")
    assert str(error.value).startswith("zones.json")

"""Reading the rules of a file of zones."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence, Tuple

from edge.core.errors import InputError, quoted
from edge.events.grammar import Vocabulary, parse_condition
from edge.events.mistakes import RuleError
from edge.events.rule import COOL_DOWN_SECONDS, Rule
from edge.zones.zone_file import LONGEST_NAME, check_keys, is_number

KEYS = ("name", "when", "hysteresis", "cool_down_seconds", "snapshot", "record")
RECORD_KEYS = ("before_seconds", "after_seconds")
BEFORE_SECONDS, AFTER_SECONDS = 5.0, 5.0  # by default
MOST_BEFORE, MOST_AFTER = 60.0, 600.0  # seconds
MOST_RULES = 100


def read_rules(
    entries: Sequence[Any], vocabulary: Vocabulary, path: str
) -> Tuple[Rule, ...]:
    """The rules of the file `path`. Raises InputError for the first mistake."""
    if len(entries) > MOST_RULES:
        raise InputError(f"{path}: has {len(entries)} rules; give at most {MOST_RULES}")
    rules: List[Rule] = []
    for number, entry in enumerate(entries, 1):
        rule = rule_of(entry, vocabulary, path, number)
        if rule.name in [other.name for other in rules]:
            raise InputError(
                f"{path}: two rules have the name {quoted(rule.name)}; rename one"
            )
        rules.append(rule)
    return tuple(rules)


def rule_of(entry: Any, vocabulary: Vocabulary, path: str, number: int) -> Rule:
    """Rule `number` of a file."""
    if not isinstance(entry, dict):
        raise InputError(
            f"{path}: rule {number} is {quoted(entry)}; write an object with name and "
            "when"
        )
    if "name" not in entry:
        raise InputError(f"{path}: rule {number} has no name; give one")
    name = entry["name"]
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise InputError(f"{path}: rule {number} has the name {quoted(name)}; give one")
    place = f"{path}: rule {quoted(name)}"
    if len(name) > LONGEST_NAME:  # it is part of topics, which may not be long
        raise InputError(f"{place}: give it a name of 1 to {LONGEST_NAME} characters")
    check_keys(entry, KEYS, place)
    if "when" not in entry:
        raise InputError(
            f"{place}: has no when; write a condition such as 'count(person) > 0'"
        )
    when = entry["when"]
    if not isinstance(when, str):
        raise InputError(
            f"{place}: when is {quoted(when)}; write a text such as 'count(person) > 0'"
        )
    try:
        condition = parse_condition(when, vocabulary)
    except RuleError as error:
        raise InputError(f"{place}, column {error.column}: {error}") from None
    before, after = record_of(entry, place)
    return Rule(
        name=name,
        when=" ".join(when.split()),
        condition=condition,
        hysteresis=number_of(entry, "hysteresis", place, None),
        cool_down_seconds=number_of(
            entry, "cool_down_seconds", place, COOL_DOWN_SECONDS
        )
        or 0.0,
        snapshot=snapshot_of(entry, place),
        before_seconds=before,
        after_seconds=after or 0.0,
    )


def snapshot_of(entry: Mapping[str, Any], place: str) -> bool:
    value = entry.get("snapshot", True)
    if not isinstance(value, bool):
        raise InputError(f"{place}: snapshot is {quoted(value)}; write true or false")
    return value


def record_of(
    entry: Mapping[str, Any], place: str
) -> Tuple[Optional[float], Optional[float]]:
    """The seconds of the recording before and after the event; None without one."""
    record = entry.get("record")
    if record is None:
        return None, None
    if not isinstance(record, dict):
        raise InputError(
            f'{place}: record is {quoted(record)}; write {{"before_seconds": 5, '
            '"after_seconds": 5}'
        )
    place = f"{place}, record"
    check_keys(record, RECORD_KEYS, place)
    before, after = RECORD_KEYS
    return (
        number_of(record, before, place, BEFORE_SECONDS, MOST_BEFORE),
        number_of(record, after, place, AFTER_SECONDS, MOST_AFTER),
    )


def number_of(
    entry: Mapping[str, Any],
    key: str,
    place: str,
    default: Optional[float],
    most: float = float("inf"),
) -> Optional[float]:
    """A number of at least 0, and at most `most`."""
    value = entry.get(key, default)
    if value is None and key not in entry:
        return None
    if not is_number(value) or not 0 <= value <= most:
        up_to = f" and at most {most:.0f}" if most < float("inf") else ""
        raise InputError(
            f"{place}: {key} is {quoted(value)}; write a number of at least 0{up_to}"
        )
    return float(value)

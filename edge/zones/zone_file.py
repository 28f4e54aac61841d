"""The file of zones and rules: one function reads it, one writes it.

    {"zones": {"door": [[0.1, 0.2], [0.4, 0.2], [0.4, 0.9]]},
     "rules": [{"name": "smoke", "when": "share(smoke, door) > 0.3 for 5 s"}],
     "smoothing_seconds": 1,
     "object_point": "bottom"}

What a rule says is read by edge.events.rule_reading.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

from edge.core.errors import InputError, cannot_be, quoted
from edge.core.files import write_text
from edge.core.inputs import read_text
from edge.zones.measuring import POINTS, SMOOTHING_SECONDS
from edge.zones.polygons import crossing_edges
from edge.zones.zone import FRAME, Point, Zone
from edge.zones.zone_text import zone_text

KEYS = ("zones", "rules", "smoothing_seconds", "object_point")
MOST_BYTES = 10_000_000
MOST_ZONES, MOST_POINTS = 100, 1000
LONGEST_NAME = 100  # characters
MOST_SMOOTHING = 60.0  # seconds


@dataclass(frozen=True)
class ZoneFile:
    """The content of a file; `rules` are as they were written."""

    zones: Tuple[Zone, ...] = ()
    rules: Tuple[Any, ...] = ()
    smoothing_seconds: float = SMOOTHING_SECONDS
    object_point: str = POINTS[0]


def read_zone_file(path: Path) -> ZoneFile:
    """Read a file. Raises InputError for the first mistake, with the place in it."""
    content = read_content(path)
    check_keys(content, KEYS, str(path))
    zones, rules = content.get("zones", {}), content.get("rules", [])
    if not isinstance(zones, dict) or len(zones) > MOST_ZONES:
        raise InputError(
            f"{path}: zones is {quoted(zones)}; write an object of at most "
            f"{MOST_ZONES} zones, name: list of points"
        )
    if not isinstance(rules, list):
        raise InputError(f"{path}: rules is {quoted(rules)}; write a list of objects")
    smoothing = content.get("smoothing_seconds", SMOOTHING_SECONDS)
    if not is_number(smoothing) or not 0 <= smoothing <= MOST_SMOOTHING:
        raise InputError(
            f"{path}: smoothing_seconds is {quoted(smoothing)}; write a number from 0 "
            f"to {MOST_SMOOTHING:.0f}"
        )
    point = content.get("object_point", POINTS[0])
    if point not in POINTS:
        raise InputError(
            f"{path}: object_point is {quoted(point)}; write {' or '.join(POINTS)}"
        )
    return ZoneFile(
        tuple(zone_of(name, points, str(path)) for name, points in zones.items()),
        tuple(rules),
        float(smoothing),
        point,
    )


def write_zone_file(
    path: Path,
    zones: Optional[Sequence[Zone]] = None,
    rules: Optional[Sequence[Mapping[str, Any]]] = None,
) -> None:
    """Write zones, rules or both; what is not given stays as the file has it.

    The file is replaced as a whole. Raises InputError for a file that is there and
    cannot be read, which would lose what it has, and for zones that could not be read
    again.
    """
    content = read_content(path) if path.exists() else {}
    if zones is not None:
        content["zones"] = {zone.name: [list(p) for p in zone.points] for zone in zones}
        for name, points in content["zones"].items():
            zone_of(name, points, str(path))
        if len(content["zones"]) < len(zones):
            raise InputError(f"{path}: two zones have the same name; rename one")
    if rules is not None:
        content["rules"] = [dict(rule) for rule in rules]
    try:
        write_text(path, zone_text(content) + "\n")
    except OSError as error:
        raise cannot_be("written", path, error) from None


def read_content(path: Path) -> Dict[str, Any]:
    """The object that a JSON file has. Raises InputError if it has none."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: is too large for a file of zones")
        content = json.loads(read_text(path), object_pairs_hook=unique_names(path))
    except OSError as error:
        raise cannot_be("read", path, error) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: line {error.lineno}, column {error.colno}: is not JSON "
            f"({error.msg}); correct it there or just before"
        ) from None
    except ValueError:  # Python reads no number of more than 4300 digits
        raise InputError(f"{path}: has a number that is too long") from None
    except RecursionError:
        raise InputError(f"{path}: has too many brackets in each other") from None
    if not isinstance(content, dict):
        raise InputError(f'{path}: is not an object; write {{"zones": {{...}}}}')
    return content


def unique_names(place: Any) -> Callable[[Sequence[Tuple[str, Any]]], Dict[str, Any]]:
    """What makes an object of JSON of its pairs, for `object_pairs_hook`.

    It raises InputError, which begins with `place`, for a name that is there twice.
    """

    def unique(pairs: Sequence[Tuple[str, Any]]) -> Dict[str, Any]:
        result: Dict[str, Any] = {}
        for name, value in pairs:  # of which there may be a million
            if name in result:
                raise InputError(f"{place}: {quoted(name)} is there twice; rename one")
            result[name] = value
        return result

    return unique


def check_keys(content: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    """Raises InputError for a key that is not known."""
    for key in content:
        if key not in known:
            raise InputError(
                f"{place}: unknown key {quoted(key)}; the keys are {', '.join(known)}"
            )


def zone_of(name: str, points: Any, path: str) -> Zone:
    """A zone of its name and its list of points. Raises InputError for a mistake."""
    place = f"{path}: zone {quoted(name)}"
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise InputError(
            f"{place}: give it a name of 1 to {LONGEST_NAME} printable characters"
        )
    if name == FRAME:
        raise InputError(f"{place}: is the name of the whole frame; choose another")
    if not isinstance(points, list):
        raise InputError(f"{place}: is {quoted(points)}; write a list of points [x, y]")
    found = [point_of(point, place, n) for n, point in enumerate(points, 1)]
    if len(found) > 3 and found[0] == found[-1]:
        found.pop()  # other programs repeat the first point
    if not 3 <= len(found) <= MOST_POINTS:
        raise InputError(
            f"{place}: has {len(found)} points; give 3 to {MOST_POINTS} of them"
        )
    check_outline(found, place)
    return Zone(name, tuple(found))


def check_outline(points: Sequence[Point], place: str) -> None:
    """Raises InputError for a polygon whose edges cross, touch or have no length."""
    for number, point in enumerate(points):
        if point == points[number - 1]:
            before = number or len(points)
            raise InputError(
                f"{place}: points {before} and {number + 1} are both {list(point)}; "
                "leave one out"
            )
    crossing = crossing_edges(points)
    if crossing:
        raise InputError(
            f"{place}: the edges after points {crossing[0]} and {crossing[1]} cross or "
            "touch; "
            "give the points in their order around the zone"
        )


def point_of(point: Any, place: str, number: int) -> Point:
    """A point [x, y]. Raises InputError if it is not two numbers from 0 to 1."""
    pair = isinstance(point, list) and len(point) == 2 and all(map(is_number, point))
    if not pair or not all(0 <= value <= 1 for value in point):
        raise InputError(
            f"{place}: point {number} is {quoted(point)}; write [x, y] in shares of "
            "the frame's width and height, from 0 to 1"
        )
    return float(point[0]), float(point[1])


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < float("inf")

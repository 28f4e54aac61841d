"""The file of zones: read, refused, written."""

import json

import pytest

from edge.core.errors import InputError
from edge.zones.zone import Zone
from edge.zones.zone_file import read_zone_file, write_zone_file

DOOR = [[0.1, 0.2], [0.4, 0.2], [0.4, 0.9]]


def written(tmp_path, content):
    path = tmp_path / "zones.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file(tmp_path):
    rule = {"name": "smoke", "when": "share(smoke) > 0.3"}
    path = written(
        tmp_path,
        {
            "zones": {"door": DOOR, "Tür 2": [*DOOR, DOOR[0]]},
            "rules": [rule],
            "smoothing_seconds": 2,
            "object_point": "center",
        },
    )
    file = read_zone_file(path)
    points = ((0.1, 0.2), (0.4, 0.2), (0.4, 0.9))
    assert file.zones == (Zone("door", points), Zone("Tür 2", points))
    assert file.rules == (rule,)
    assert (file.smoothing_seconds, file.object_point) == (2.0, "center")


def test_defaults(tmp_path):
    file = read_zone_file(written(tmp_path, {}))
    assert (file.zones, file.rules) == ((), ())
    assert (file.smoothing_seconds, file.object_point) == (1.0, "bottom")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"zones": {"a": [[0, 0]', "line 1, column 24: is not JSON"),
        ('{"zones": {"a": [], "a": []}}', "'a' is there twice; rename one"),
        ([], "is not an object"),
        ({"zone": {}}, "unknown key 'zone'; the keys are zones, rules"),
        ({"zones": []}, "zones is .*; write an object"),
        ({"rules": {}}, "rules is {}; write a list"),
        ({"smoothing_seconds": -1}, "smoothing_seconds is -1; write a number from 0"),
        ({"smoothing_seconds": True}, "smoothing_seconds is True"),
        ({"smoothing_seconds": 10**400}, "smoothing_seconds is 10"),
        ('{"smoothing_seconds": ' + "1" * 5000 + "}", "a number that is too long"),
        ({"object_point": "top"}, "object_point is 'top'; write bottom or center"),
        ({"zones": {"frame": DOOR}}, "zone 'frame': is the name of the whole frame"),
        ({"zones": {"": DOOR}}, "zone '': give it a name"),
        ({"zones": {"a\nb": DOOR}}, r"zone 'a\\nb': give it a name"),
        ({"zones": {"door": DOOR[:2]}}, "zone 'door': has 2 points; give 3"),
        ({"zones": {"door": "all"}}, "zone 'door': is 'all'; write a list of points"),
        (
            {"zones": {"door": [*DOOR, [0.5, 1.2]]}},
            r"zone 'door': point 4 is \[0.5, 1.2",
        ),
        ({"zones": {"door": [*DOOR, [0.5]]}}, r"point 4 is \[0.5\]; write \[x, y\]"),
        ({"zones": {"door": [*DOOR, [0.5, "1"]]}}, "point 4 is"),
        ({"zones": {"door": [*DOOR, [0.5, float("nan")]]}}, "point 4 is"),
        ({"zones": {"door": [DOOR[0], *DOOR]}}, "points 1 and 2 are both"),
        (
            {"zones": {"door": [[0, 0], [1, 1], [1, 0], [0, 1]]}},
            "zone 'door': the edges after points 1 and 3 cross or touch",
        ),
    ],
)
def test_mistakes_are_one_line_with_file_zone_and_value(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=message) as error:
        read_zone_file(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be read .*; check the path"):
        read_zone_file(tmp_path / "missing.json")
    path = tmp_path / "zones.json"
    path.write_bytes(b'{"zones": "\xff"}')
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_zone_file(path)
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(InputError, match="brackets|not JSON"):
        read_zone_file(path)


def test_writing_zones_keeps_the_rules_and_the_other_way_round(tmp_path):
    path = written(tmp_path, {"zones": {"door": DOOR}, "smoothing_seconds": 3})
    rule = {"name": "smoke", "when": "share(smoke) > 0.3"}
    write_zone_file(path, rules=[rule])
    gate = Zone("gate", ((0.0, 0.0), (1.0, 0.0), (0.5, 0.5)))
    assert read_zone_file(path).zones[0].name == "door"
    write_zone_file(path, zones=[gate])
    file = read_zone_file(path)
    assert (file.zones, file.rules, file.smoothing_seconds) == ((gate,), (rule,), 3.0)


def test_a_new_file(tmp_path):
    path = tmp_path / "new.json"
    write_zone_file(path, zones=[])
    assert json.loads(path.read_text(encoding="utf-8")) == {"zones": {}}


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    path = written(tmp_path, {"zones": {"door": DOOR}})
    before = path.read_bytes()
    crossed = Zone("x", ((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)))
    with pytest.raises(InputError, match="zone 'x': the edges"):
        write_zone_file(path, zones=[crossed])
    twice = Zone("a", ((0.0, 0.0), (1.0, 0.0), (0.5, 0.5)))
    with pytest.raises(InputError, match="two zones have the same name"):
        write_zone_file(path, zones=[twice, twice])
    assert path.read_bytes() == before
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        write_zone_file(path, zones=[])
    assert path.read_text(encoding="utf-8") == "{"


def test_a_file_of_many_names_is_read_at_once(tmp_path):
    path = tmp_path / "zones.json"
    names = ",".join(f'"{number}": 0' for number in range(100_000))
    path.write_text("{" + names + "}", encoding="utf-8")
    with pytest.raises(InputError, match="unknown key '0'"):
        read_zone_file(path)  # comparing each name with all took many minutes


def test_a_name_that_is_there_twice_is_refused_where_it_is(tmp_path):
    path = tmp_path / "zones.json"
    path.write_text('{"zones": {"a": [], "b": [], "a": []}}', encoding="utf-8")
    with pytest.raises(InputError, match="'a' is there twice; rename one"):
        read_zone_file(path)

"""The file of zones keeps the form that a person gives it."""

import json

from edge.zones.zone import Zone
from edge.zones.zone_file import read_zone_file, write_zone_file
from edge.zones.zone_text import WIDTH, zone_text

WRITTEN = """{
  "zones": {
    "door": [[0.05, 0.3], [0.45, 0.3], [0.45, 0.95], [0.05, 0.95]],
    "Tür": [[0, 0], [0.5, 0], [0.5, 1]]
  },
  "rules": [
    {"name": "disc at the door", "when": "share(disc, door) > 2 % for 0.5 s", "snapshot": false},
    {"name": "square stays", "when": "dwell(square, 'Tür') > 3 s"}
  ],
  "smoothing_seconds": 3
}
"""  # noqa: E501


def test_a_file_that_is_saved_again_is_the_same(tmp_path):
    path = tmp_path / "zones.json"
    path.write_text(WRITTEN, encoding="utf-8")
    write_zone_file(path, read_zone_file(path).zones)
    assert path.read_text(encoding="utf-8") == WRITTEN


def test_a_zone_of_many_points_has_a_line_for_each(tmp_path):
    points = [(n / 64, 0.125) for n in range(64)] + [(0.5, 1.0)]
    path = tmp_path / "zones.json"
    write_zone_file(path, [Zone("long", tuple(points))])
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[2:4] == ['    "long": [', "      [0, 0.125],"]
    assert len(lines) == 65 + 6 and max(map(len, lines)) < WIDTH
    assert read_zone_file(path).zones[0].points == tuple(points)


def test_any_json_is_read_back_as_it_was():
    content = {"rules": [{"a": [], "b": {}, "c": 'x" [\n 1\n]', "d": [["e"] * 40]}]}
    assert json.loads(zone_text(content)) == content
    assert json.loads(zone_text({"a": "\udc80"}).encode("utf-8", "backslashreplace"))

"""classes.json as people and other tools write it."""

from pathlib import Path

import pytest

from edge.core.errors import InputError
from kseg.data.masks import Classes, read_classes


def read(folder: Path, text: str) -> Classes:
    path = folder / "classes.json"
    path.write_text(text, encoding="utf-8")
    return read_classes(path)


def listed(*entries: str, more: str = "") -> str:
    return f'{{"classes": [{", ".join(entries)}]{more}}}'


ROAD, SKY = '{"name": "road"}', '{"name": "sky"}'


@pytest.mark.parametrize("key", ("id", "value", "index", "class_id"))
def test_ids_give_the_order(tmp_path, key):
    road = f'{{"name": "road", "{key}": 1, "color": [9, 9, 9]}}'
    sky = f'{{"name": "sky", "{key}": "0", "color": [7, 7, 7]}}'
    classes = read(tmp_path, listed(road, sky))
    assert classes.names == ("sky", "road")
    assert classes.colors == ((7, 7, 7), (9, 9, 9))
    assert classes.file_colors == {(7, 7, 7): 0, (9, 9, 9): 1}


def test_ignore_index_is_an_id_and_no_place_in_the_file(tmp_path):
    entries = [f'{{"name": "{name}", "id": {n}}}' for n, name in enumerate("abc")]
    classes = read(tmp_path, listed(*reversed(entries), more=', "ignore_index": 0'))
    assert classes.names == ("b", "c")
    assert classes.table[:3].tolist() == [255, 0, 1]


@pytest.mark.parametrize(
    ("ids", "words"),
    (
        ((0, 2), "class 'b' has the id 2, but the position in the list is the id"),
        ((1, 2), "class 'a' has the id 1, .* 2 classes have the ids 0 to 1"),
        ((0, 255), 'if it is void, remove the class and give "ignore_index": 255'),
        ((0, -1), "class 'b' has the id -1"),
        ((1, 1), "classes 'a' and 'b' have the same id 1"),
        ((0, "null"), "class 'b' has no id, but others have"),
        ((0, 0.5), "id of 'b': 0.5 is no whole number"),
        ((0, "true"), "id of 'b': True is no whole number"),
        ((0, "9" * 4000), "class 'b' has the id 9999"),
        ((0, '1, "value": 0'), "the class 'b' has the ids .0, 1."),
    ),
)
def test_ids_that_are_no_order_are_refused(tmp_path, ids, words):
    pairs = zip("ab", ids, strict=True)
    text = listed(*(f'{{"name": "{name}", "id": {n}}}' for name, n in pairs))
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'classes.json'}: ")
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ("254.9", "true", "null", "1e400", "NaN", '"none"', "[1]")
)
def test_an_ignore_index_that_is_no_whole_number_is_refused(tmp_path, value):
    with pytest.raises(InputError, match="ignore_index: .* is no whole number; give"):
        read(tmp_path, listed(ROAD, SKY, more=f', "ignore_index": {value}'))


@pytest.mark.parametrize("value", ("255", "255.0", '"255"'))
def test_an_ignore_index_in_other_spellings(tmp_path, value):
    classes = read(tmp_path, listed(ROAD, SKY, more=f', "ignore_index": {value}'))
    assert classes.names == ("road", "sky") and classes.void_given


@pytest.mark.parametrize(
    ("color", "words"),
    (
        ("[0.5, 0.25, 0.5]", r"colour .0.5, 0.25, 0.5. of 'b'; .*whole .*no fractions"),
        ('"#804080"', "colour '#804080' of 'b'; a colour is three whole numbers"),
        ("[true, 0, 0]", "no fractions"),
        ("[1, 2, -1]", "from 0 to 255"),
        ("[]", "three whole numbers"),
    ),
)
def test_a_colour_is_three_whole_numbers(tmp_path, color, words):
    black = '{"name": "a", "color": [0, 0, 0]}'
    with pytest.raises(InputError, match=words):
        read(tmp_path, listed(black, f'{{"name": "b", "color": {color}}}'))


@pytest.mark.parametrize(
    ("text", "words"),
    (
        ('{"classes": [], "classes": []}', "the key 'classes' is there twice"),
        (listed(ROAD, '{"name": "a", "name": "b"}'), "'name' is there twice"),
        (listed(ROAD, '{"name": "\\ud800"}'), "control characters"),
        (listed(ROAD, '{"name": "a\\u0007"}'), "control characters"),
        (listed(ROAD, '{"name": "a\n"}'), "invalid"),
        ('["road", "sky"]', "it is a list"),
        ('{"classes": {"0": "sky"}}', "it has no list"),
        (listed('"sky"', '"road"'), "the class 'sky', which has no"),
        ("[" * 200_000, "invalid"),
        ('{"classes": ' + "9" * 5000 + "}", "invalid"),
    ),
)
def test_other_faults_are_one_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path, text)
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)

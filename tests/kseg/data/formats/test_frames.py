from pathlib import Path

import pytest

from edge.core.errors import InputError
from kseg.data.formats.frames import check_frames, find_image, own_stems, same_keys
from kseg.data.formats.source import SourcePair


def pairs(*names: str) -> list[SourcePair]:
    return [SourcePair(Path(name).stem, Path(name)) for name in names]


def stems(*names: str) -> list[str]:
    return [pair.stem for pair in own_stems(pairs(*names))]


@pytest.mark.parametrize(
    ("names", "expected"),
    (
        (("x/a.png", "x/b.png"), ["a", "b"]),
        (("x/day/a.png", "x/night/a.png", "x/b.png"), ["day_a", "night_a", "b"]),
        (("x/a.png", "x/night/a.png"), ["a", "night_a"]),
        (("day/img/a.png", "night/img/a.png"), ["day_a", "night_a"]),
        (("x/a.png", "x/a.jpg"), ["a", "a_jpg"]),
        (("p/a.png", "q/a.png", "r/p_a.png"), ["p_a_png", "q_a", "p_a"]),
    ),
)
def test_equal_stems_get_their_folders(names, expected):
    assert stems(*names) == expected


def test_equal_stems_of_two_unicode_forms():
    assert len({*stems("x/caf\u00e9.png", "y/cafe\u0301.png")}) == 2


def test_keys_that_are_written_differently_become_the_names():
    files = {"A 1": 1, "b%201": 2, "c": 3, "D": 4, "d": 5}
    names = ["a 1", "b 1", "c", "d"]
    assert same_keys(files, names) == {"a 1": 1, "b 1": 2, "c": 3, "D": 4, "d": 5}
    assert same_keys({"X": 1, "x": 2}, ["x%20"]) == {"X": 1, "x": 2}
    assert same_keys({"XY": 1, "Xy": 2}, ["xy"]) == {"XY": 1, "Xy": 2}


def test_an_image_may_have_one_entry():
    check_frames({"train": pairs("x/a.png"), "val": pairs("y/a.png")})
    with pytest.raises(InputError, match="a.png: is labelled twice, by train, and by"):
        check_frames({"train": pairs("x/a.png"), "val": pairs("x/b/../a.png")})


def test_images_are_found_below_folders_in_order(tmp_path):
    for folder in ("one", "two/deep"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.png").touch()
    folders = [tmp_path / "one", tmp_path / "two"]
    assert find_image("deep/a.png", folders) == tmp_path / "two/deep/a.png"
    assert find_image("gone/a.png", folders) == tmp_path / "one/a.png"
    assert find_image(r"C:\photos\A.PNG", folders) == tmp_path / "one/a.png"
    assert find_image("b.png", folders) is None
    assert find_image("a" * 1000, folders) is None
    assert find_image("http://[::1/a", folders) is None

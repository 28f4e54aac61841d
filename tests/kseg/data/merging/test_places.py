"""Which split new images go to, with hashes made by hand."""

import numpy as np
import pytest

from kseg.data.checks.duplicates import SIMILAR
from kseg.data.merging.places import (
    HELD_BACK,
    Look,
    Looks,
    already_there,
    copies,
    moved_by_looks,
    only,
    places_of,
)

GREY = np.zeros((16, 16), np.uint8)


def hash_of(*bits: int) -> np.ndarray:
    """(2, 4) uint64: these of the 256 bits are set, in the mirror image all others."""
    upright = np.zeros(256, bool)
    upright[list(bits)] = True
    return np.packbits([upright, ~upright], axis=1).view(np.uint64)


def far(number: int) -> np.ndarray:
    """A hash that differs from those of other numbers in 80 bits."""
    return hash_of(*range(40 * number, 40 * number + 40))


def near(number: int, bits: int) -> np.ndarray:
    """A hash that differs from `far(number)` in so many bits."""
    return hash_of(*range(40 * number + bits, 40 * number + 40))


def looks(*rows) -> Looks:
    """(split, hash) of each image, of which no two have the same pixels."""
    made = [Look(bytes([i]) + s.encode(), h, GREY) for i, (s, h) in enumerate(rows)]
    names = [f"{index}.png" for index in range(len(rows))]
    return Looks([split for split, _ in rows], names, made)


OLD = looks(("train", far(0)), ("val", far(1)), ("test", far(2)))


@pytest.mark.parametrize(
    ("hashes", "place"),
    [
        (near(0, SIMILAR), "train"),
        (near(1, SIMILAR), "val"),
        (near(1, SIMILAR + 1), "train"),  # not alike: as the export has it
        (near(2, 5), "test"),
        (far(4), "train"),
        (np.zeros((2, 4), np.uint64), "train"),  # of one colour: no hash
    ],
)
def test_an_image_goes_where_images_look_like_it(hashes, place):
    assert places_of(looks(("train", hashes)), OLD) == [place]


def test_a_val_image_of_the_export_joins_its_neighbours_in_train():
    assert places_of(looks(("val", near(0, 3))), OLD) == ["train"]


def test_a_group_stays_together():
    """The second image looks like the first, and only the first like one of val."""
    new = looks(("train", near(1, 20)), ("train", near(1, 38)), ("train", far(4)))
    assert places_of(new, OLD) == ["val", "val", "train"]


def test_a_group_that_the_export_divides_is_held_back():
    new = looks(("train", far(4)), ("val", near(4, 6)), ("train", far(5)))
    assert places_of(new, OLD) == ["val", "val", "train"]


def test_without_images_there_all_stay_where_they_are():
    new = looks(("train", far(0)), ("test", far(1)))
    assert places_of(new, looks()) == ["train", "test"]
    assert already_there(new, looks()) == {} and copies(new, looks()) == set()


def test_equal_pixels_are_there_already():
    new = only(OLD, [2, 0])
    assert already_there(new, OLD) == {0: 2, 1: 0}
    assert new.place(1) == ("train", 0)


def test_a_copy_has_nearly_the_same_hash_and_thumbnail():
    changed = [
        Look(b"a", near(0, 4), GREY + 7),
        Look(b"b", near(0, 4), GREY + 8),
        Look(b"c", far(4), GREY),
        Look(b"d", np.zeros((2, 4), np.uint64), GREY),
    ]
    new = Looks(["train"] * 4, list("abcd"), changed)
    assert copies(new, OLD) == {0}


def test_moved_images_are_counted():
    new = looks(("train", far(0)), ("train", far(1)), ("val", far(2)))
    assert moved_by_looks(new, ["train", "val", "val"]) == {"val": 1}
    assert HELD_BACK == ("test", "val", "train")

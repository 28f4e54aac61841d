"""Classes of an export and of a data folder meet by name."""

import pytest

from edge.core.errors import InputError
from kseg.data.merging.classes import class_numbers, file_ids

OLD = ("background", "Traffic Light", "car")


def numbers(new, old=OLD, used=None) -> dict:
    return class_numbers(new, old, used or dict.fromkeys(new, 1), "export", "data")


def test_names_meet_in_any_order_and_spelling():
    new = ("background", "car", "traffic  light")
    assert numbers(new) == {0: 0, 1: 2, 2: 1}


def test_names_that_differ_in_capitals_alone_meet_their_own():
    old = ("background", "Disc", "disc")
    assert numbers(("background", "Disc", "disc"), old=old) == {0: 0, 1: 1, 2: 2}


def test_a_background_meets_one_of_another_name():
    assert numbers(("_background_", "car")) == {0: 0, 1: 2}


def test_without_a_background_there_it_becomes_void():
    found = numbers(("background", "car"), old=("road", "car"))
    assert found == {0: None, 1: 1}
    assert file_ids(found, {0: 0, 1: 1}, 255)[:3] == [255, 1, 255]


def test_a_new_class_is_refused_with_what_to_do():
    with pytest.raises(InputError) as caught:
        numbers(("background", "dog", "car", "cat"))
    assert str(caught.value) == (
        "export: has the classes dog, cat, which data does not have (it has "
        "background, Traffic Light, car); rename in the labelling tool, or add it to "
        "data/classes.json and train anew"
    )


def test_a_new_class_that_labels_nothing_does_not_matter():
    found = numbers(("background", "dog"), used={"background": 3, "dog": 0})
    assert found == {0: 0, 1: None}


def test_ids_in_files_may_be_others():
    """CamVid lists void at position 1, so that files have 2 for class 1."""
    table = file_ids({0: 0, 1: 1}, {0: 0, 1: 2}, 1)
    assert table[:3] == [0, 2, 1] and table[255] == 1

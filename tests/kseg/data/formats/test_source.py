from pathlib import Path

import pytest

from edge.core.errors import InputError
from kseg.data.formats.source import classes_of

SOURCE = Path("labelmap.txt")
RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)


def ids_of(labels):
    classes = classes_of(labels, SOURCE)
    return classes.names, {i: int(classes.table[i]) for i in labels}


def test_a_name_makes_the_background_before_a_colour():
    labels = {0: ("road", BLACK), 1: ("Background", RED), 2: ("sky", BLUE)}
    names, ids = ids_of(labels)
    assert names == ("background", "road", "sky")
    assert ids == {0: 1, 1: 0, 2: 2}


def test_a_black_class_is_first_and_keeps_its_name():
    assert ids_of({0: ("sky", RED), 1: ("floor", BLACK)})[0] == ("floor", "sky")


def test_two_labels_of_the_background_are_one_class():
    labels = {0: ("_background_", None), 1: ("road", None), 2: ("bg", None)}
    assert ids_of(labels) == (("background", "road"), {0: 0, 1: 1, 2: 0})


def test_unlabeled_is_void_beside_two_classes():
    labels = {0: ("unlabeled", None), 1: ("cat", None), 2: ("dog", None)}
    assert ids_of(labels) == (("cat", "dog"), {0: 255, 1: 0, 2: 1})


def test_unlabeled_is_what_a_single_class_is_told_apart_from():
    labels = {0: ("unlabeled", None), 1: ("cat", None)}
    assert ids_of(labels) == (("background", "cat"), {0: 0, 1: 1})


def test_names_that_are_one_text_are_refused():
    with pytest.raises(InputError, match="two classes have the name"):
        ids_of({0: ("caf\u00e9", None), 1: ("cafe\u0301", None), 2: ("bar", None)})

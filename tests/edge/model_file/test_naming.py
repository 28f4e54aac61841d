"""The names of the classes of models made by others."""

import pytest

from edge.core.errors import InputError
from edge.model_file.class_lists import GUESSED_MAPS, GUESSED_OBJECTS
from edge.model_file.naming import named
from edge.model_file.reading import NOTHING, Reading

GIVEN = Reading(classes=("sea", "bird"))


def test_names_of_the_user_come_first():
    found = named(GIVEN, ["x", "y"], 2, GUESSED_MAPS)
    assert (found.names, found.guessed) == (("sea", "bird"), False)


def test_names_in_the_file_come_before_a_guess():
    inside = [f"thing {index}" for index in range(21)]
    assert named(NOTHING, inside, 21, GUESSED_MAPS).names == tuple(inside)


@pytest.mark.parametrize(
    ("count", "guesses", "first"),
    [
        (21, GUESSED_MAPS, "background"),
        (19, GUESSED_MAPS, "road"),
        (150, GUESSED_MAPS, "wall"),
        (151, GUESSED_MAPS, "background"),
        (80, GUESSED_OBJECTS, "person"),
        (5, GUESSED_MAPS, "class 0"),
    ],
)
def test_a_guess_by_the_number_is_marked(count, guesses, first):
    found = named(NOTHING, [], count, guesses)
    assert (found.names[0], len(found.names), found.guessed) == (first, count, True)
    assert len(found.colors) == count


def test_another_number_of_names_is_refused():
    with pytest.raises(InputError, match="sea, bird: has 2 classes, and the model 3"):
        named(GIVEN, [], 3, GUESSED_MAPS)
    with pytest.raises(InputError, match="voc: has 21 classes, and the model 19"):
        named(Reading(classes=("voc",)), [], 19, GUESSED_MAPS)


def test_labels_of_an_unknown_number_have_numbers_after_the_names():
    found = named(GIVEN, [], None, GUESSED_MAPS)
    assert found.names[:3] == ("sea", "bird", "class 2")
    assert len(found.names) == len(found.colors) == 256


def test_objects_have_no_black():
    found = named(NOTHING, [], 20, GUESSED_OBJECTS, objects=True)
    assert found.names[0] == "aeroplane" and (0, 0, 0) not in found.colors


def test_a_background_in_the_file_that_the_output_lacks():
    found = named(NOTHING, ["???", "cat"], 1, GUESSED_OBJECTS, objects=True)
    assert found.names == ("cat",)


def test_names_in_the_file_that_do_not_fit_are_said():
    found = named(NOTHING, ["a", "b"], 21, GUESSED_MAPS)
    assert found.names[15] == "person"
    assert found.source.endswith(", as the file names 2 classes and has 21")

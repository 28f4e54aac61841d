import pytest

from edge.app.class_names import class_ids
from edge.core.errors import InputError

NAMES = ("ground", "car, parked", 'say "hi"', "caf\u00e9", "A", "a", " left")


@pytest.mark.parametrize(
    ("text", "ids"),
    (
        ("car, parked", {1}),
        ('"car, parked"', {1}),
        ('"car, parked",ground', {0, 1}),
        ("Ground", {0}),
        (" ground , A ", {0, 4}),
        ('say "hi"', {2}),
        ('"say ""hi""",ground', {0, 2}),
        ("CAFE\u0301", {3}),
        ("a", {5}),
        (" left", {6}),
        ("left", {6}),
    ),
)
def test_every_class_can_be_named(text, ids):
    assert class_ids(text, NAMES, "--keep") == ids


def test_an_unknown_name_is_refused_with_the_names_as_they_are_written():
    with pytest.raises(InputError) as caught:
        class_ids("ground,tree", NAMES, "--keep")
    message = str(caught.value)
    assert message.startswith("--keep tree: unknown class; the model has ground,")
    assert '"car, parked"' in message


def test_of_many_names_the_number_is_said():
    names = [f"class {index}" for index in range(40)]
    with pytest.raises(InputError, match="class 29 and 10 more"):
        class_ids("x", names, "--keep")


def test_a_line_end_is_no_name():
    with pytest.raises(InputError, match="not names with commas"):
        class_ids("a\nb", NAMES, "--keep")

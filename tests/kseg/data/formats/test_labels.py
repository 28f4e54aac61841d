import logging
from pathlib import Path

import pytest

from kseg.data.formats.labels import labels_of, means_background, means_void

SOURCE = Path("export")


@pytest.mark.parametrize(
    "name", ("background", "Background", "_background_", "BG", "Back Ground", "[bg]")
)
def test_names_of_the_background(name):
    assert means_background(name) and not means_void(name)


@pytest.mark.parametrize(
    "name", ("void", "Ignore", "__ignore__", "unlabeled", "UNLABELLED", "Don't care")
)
def test_names_of_void(name):
    assert means_void(name) and not means_background(name)


@pytest.mark.parametrize("name", ("ground", "other", "background car", "avoid", ""))
def test_names_of_classes(name):
    assert not means_background(name) and not means_void(name)


def test_background_void_and_classes_get_ids(caplog):
    caplog.set_level(logging.INFO)
    found = labels_of([["road", "_background_", "ignore", "car"]], SOURCE)
    assert found.names == ("background", "road", "car")
    assert found.ids == {"road": 1, "_background_": 0, "ignore": 255, "car": 2}
    assert "export: the label '_background_' is the background" in caplog.text


def test_spellings_of_several_files_are_one_class(caplog):
    found = labels_of([["Car"], ["car", "bus"], ["car"]], SOURCE)
    assert found.names == ("background", "car", "bus")
    assert found.ids == {"Car": 1, "car": 1, "bus": 2}
    assert "'Car', 'car' are one class, 'car'" in caplog.text


def test_spellings_that_one_file_has_both_are_two_classes(caplog):
    found = labels_of([["A", "a"], ["a"]], SOURCE)
    assert found.names == ("background", "A", "a")
    assert "'A', 'a' are different classes" in caplog.text


def test_unicode_forms_and_spaces_do_not_tell_classes_apart():
    found = labels_of([["caf\u00e9", "traffic  light", "cafe\u0301"]], SOURCE)
    assert len(found.names) == 3
    assert found.ids["caf\u00e9"] == found.ids["cafe\u0301"]


def test_orders():
    assert labels_of([["b", "a"]], SOURCE).names[1:] == ("b", "a")
    assert labels_of([["b", "a"]], SOURCE, alphabetical=True).names[1:] == ("a", "b")
    assert labels_of([["b", "a"]], SOURCE, {"a": 0, "b": 1}).names[1:] == ("a", "b")

"""Classes of well-known data sets."""

import pytest

from edge.model_file.class_lists import LISTS, colors_of, fitted, list_named


@pytest.mark.parametrize(
    ("name", "count"), [("voc", 21), ("cityscapes", 19), ("ade20k", 150), ("coco", 80)]
)
def test_each_class_has_a_name_and_colour_of_its_own(name, count):
    _, names, colors = LISTS[name]
    assert len(set(names)) == len(set(colors)) == count


def test_names_and_colours_of_some_ids():
    """From the development kits of the data sets."""
    voc, cityscapes = LISTS["voc"], LISTS["cityscapes"]
    assert (voc.names[15], voc.colors[15]) == ("person", (192, 128, 128))
    assert (voc.names[7], voc.colors[7]) == ("car", (128, 128, 128))
    assert (cityscapes.names[0], cityscapes.colors[0]) == ("road", (128, 64, 128))
    assert (cityscapes.names[13], cityscapes.colors[13]) == ("car", (0, 0, 142))
    assert LISTS["ade20k"].names[12] == LISTS["coco"].names[0] == "person"


@pytest.mark.parametrize("text", ["voc", "VOC", "Pascal-VOC", "pascal_voc_2012"])
def test_spellings(text):
    assert list_named(text) == "voc"


def test_a_background_is_added_or_left_out():
    assert fitted("ade20k", 151).names[:2] == ("background", "wall")
    assert fitted("voc", 20).names[0] == "aeroplane"
    assert fitted("voc", 19) is None and fitted("voc", 22) is None


def test_numbered_classes_have_a_background():
    assert colors_of(["class 0", "class 1"])[0] == (0, 0, 0)

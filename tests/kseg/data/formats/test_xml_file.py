import pytest

from edge.core.errors import InputError
from kseg.data.formats.xml_file import has_root, number, read_xml

BOMB = (
    '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><annotations>&d;</annotations>'
)


def test_entities_are_refused(tmp_path, write):
    path = write(tmp_path / "a.xml", BOMB)
    with pytest.raises(InputError, match="declares entities") as caught:
        read_xml(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ("", "<a>", "<a></b>", "a", "<a>&b;</a>"))
def test_invalid_xml_is_one_line(tmp_path, write, text):
    path = write(tmp_path / "a.xml", text)
    with pytest.raises(InputError) as caught:
        read_xml(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_root_is_not_taken_for_one_that_starts_alike(tmp_path, write):
    path = write(tmp_path / "a.xml", "<?xml version='1.0'?><annotations></annotations>")
    assert has_root(path, "annotations")
    assert not has_root(path, "annotation")


def test_numbers_are_attributes_or_children(tmp_path, write):
    path = write(tmp_path / "a.xml", '<box x="1.5"><y> 2 </y></box>')
    root = read_xml(path)
    assert (number(root, "x", "here"), number(root, "y", "here")) == (1.5, 2)
    with pytest.raises(InputError, match="here: box has the z"):
        number(root, "z", "here")

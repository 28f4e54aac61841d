import json
import logging

import pytest

from edge.core.errors import InputError
from kseg.data.object_classes import classes_named, read_object_classes


@pytest.fixture
def write(tmp_path):
    def write(classes, **more):
        path = tmp_path / "classes.json"
        path.write_text(json.dumps({"classes": classes, **more}), encoding="utf-8")
        return path

    return write


def test_colours_are_given_or_bright(write):
    path = write([{"name": "a"}, {"name": "b", "color": [9, 8, 7]}], task="instance")
    found = read_object_classes(path)
    assert found.names == ("a", "b")
    assert found.colors == ((60, 242, 181), (9, 8, 7))
    assert found.file_colors == {(0, 0, 0): 0, (9, 8, 7): 2}
    assert classes_named(("x", "y")).colors == ((60, 242, 181), (242, 128, 60))


def test_a_first_class_background_is_left_out(write, caplog):
    path = write([{"name": "background", "color": [0, 0, 0]}, {"name": "a"}])
    with caplog.at_level(logging.INFO):
        assert read_object_classes(path).names == ("a",)
    assert "background is left out" in caplog.text


@pytest.mark.parametrize("name", ("Background", "_background_", "bg"))
def test_a_background_in_any_spelling_is_left_out(write, name):
    assert read_object_classes(write([{"name": name}, {"name": "a"}])).names == ("a",)


def test_a_byte_order_mark_is_read(write):
    path = write([{"name": "a"}])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_object_classes(path).names == ("a",)


def test_there_may_be_no_file(tmp_path):
    assert read_object_classes(tmp_path / "classes.json") is None


@pytest.mark.parametrize(
    ("classes", "words"),
    (
        ([], "0 classes; it needs 1 to 254"),
        ([{"name": str(n)} for n in range(255)], "255 classes"),
        ([{"name": "a"}, {"name": "a"}], "two classes have the same name"),
        (
            [{"name": "a", "color": [1, 2, 3]}, {"name": "b", "color": [1, 2, 3]}],
            "two classes have the same colour",
        ),
        ([{"name": "a", "color": [1, 2]}], "three whole numbers from 0 to 255"),
        ([{"name": "a", "color": [1, 2, 256]}], "three whole numbers from 0 to 255"),
        ([{"color": [1, 2, 3]}], "invalid"),
        ([{"name": "a", "color": [1, 2, float("inf")]}], "invalid"),
        ([{"name": "a\nb"}], "control characters"),
        ([{"name": None}], "None, which is not text"),
        (7, "invalid"),
    ),
)
def test_invalid_files(write, classes, words):
    path = write(classes)
    with pytest.raises(InputError, match=words) as caught:
        read_object_classes(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_ids_of_objects_give_the_order_where_masks_use_them(write):
    path = write([{"name": "a", "id": 2}, {"name": "b", "id": 1}])
    assert read_object_classes(path).names == ("b", "a")
    path = write([{"name": "a", "id": 1}, {"name": "bg", "id": 0}])
    assert read_object_classes(path).names == ("a",)
    path = write([{"name": "a", "id": 1}, {"name": "b", "id": 3}])  # as COCO's gaps
    assert read_object_classes(path, numbered=False).names == ("a", "b")
    with pytest.raises(InputError, match="class 'b' has the id 3, .*the ids 1 to 2"):
        read_object_classes(path)

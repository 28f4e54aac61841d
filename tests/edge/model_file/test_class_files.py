"""Names of classes from files of several formats."""

import json

import pytest

from edge.core.errors import InputError
from edge.model_file.class_files import read_class_file


def written(folder, text, name="names.txt", encoding="utf-8"):
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sea\nbird\n", ("sea", "bird")),
        ("sea\r\nbird\r\n\r\n", ("sea", "bird")),
        ("\ufeffsea\nbird dog", ("sea", "bird dog")),
        ("0 sea\n1 bird\n", ("sea", "bird")),
        ("1: bird\n0: sea\n", ("sea", "bird")),
        ("0,sea\n2,bird\n", ("sea", "class 1", "bird")),
        ("# a comment\nsea\nbird", ("sea", "bird")),
        ("sea: 0\nbird: 1\n", ("sea", "bird")),
        ("id,name\n0,sea\n1,bird\n", ("sea", "bird")),
        ("sea, bird", ("sea", "bird")),
        ("nc: 2\nnames:\n  # two\n  0: sea\n  1: 'bird'\n", ("sea", "bird")),
        ("names:\n- sea\n- bird\n\npath: x\n", ("sea", "bird")),
        ("path: x\nnames: ['sea', bird]\n", ("sea", "bird")),
        ("names: [sea,  # one\n  'bird',]\nnc: 2\n", ("sea", "bird")),
        ("names: {0: sea, 2: bird}", ("sea", "class 1", "bird")),
        ("names:\n  0: sea  # water\n  1: 'bird #2'\n", ("sea", "bird #2")),
        ('"sea"\n"bird"', ("sea", "bird")),
        ("'sea', 'bird'", ("sea", "bird")),
        ("sea;bird", ("sea", "bird")),
        ('id,name,kind\n1,bird,x\n0,"sea, deep",y', ("sea, deep", "bird")),
        ('["sea", "bird"]', ("sea", "bird")),
        ('{"bird": 1, "sea": 0}', ("sea", "bird")),
        ('{"categories": [{"id": 1, "name": "sea"}]}', ("sea",)),
        ('{"0": "sea", "1": "bird"}', ("sea", "bird")),
        ('{"id2label": {"1": "bird", "0": "sea"}}', ("sea", "bird")),
        ('{"names": ["sea", "bird"]}', ("sea", "bird")),
        ('[{"name": "b", "id": 1}, {"name": "a", "id": 0}]', ("a", "b")),
        ('[{"name": "b", "value": 2}, {"name": "a", "value": 1}]', ("a", "b")),
        ('[{"name": "b", "id": "1"}, {"name": "a", "id": "0"}]', ("a", "b")),
        ('[{"name": "b", "id": 1}, {"name": "a", "id": 90}]', ("b", "a")),
    ],
)
def test_formats(tmp_path, text, names):
    assert read_class_file(written(tmp_path, text))[0] == names


def test_utf_16_is_read(tmp_path):
    path = written(tmp_path, "sea\nMöwe", encoding="utf-16")
    assert read_class_file(path)[0] == ("sea", "Möwe")


def test_colours_of_classes_json_and_labelmap(tmp_path):
    classes = [{"name": "sea", "color": [1, 2, 3]}, {"name": "void"}, {"name": "bird"}]
    content = {"classes": classes, "ignore_index": 1}
    path = written(tmp_path, json.dumps(content), "classes.json")
    names, colors = read_class_file(path)
    assert (names, colors[0]) == (("sea", "bird"), (1, 2, 3))
    labelmap = "# label:color_rgb:parts:actions\nroad:128,64,128::\ncar:0,0,142::\n"
    names, colors = read_class_file(written(tmp_path, labelmap))
    assert names == ("road", "car") and colors == ((128, 64, 128), (0, 0, 142))


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3\tsea\n4 5 6\tsea gull\n",
        "sea 1 2 3\nsea gull 4 5 6\n",
        "0,sea,1,2,3\n1,sea gull,4,5,6\n",
        "1 4 5 6 sea gull\n0 1 2 3 sea\n",
        "name,r,g,b\nsea,1,2,3\nsea gull,4,5,6\n",
        "red;green;blue;kind;class_name\n1;2;3;x;sea\n4;5;6;x;sea gull\n",
    ],
)
def test_tables_with_colours(tmp_path, text):
    names, colors = read_class_file(written(tmp_path, text))
    assert (names, colors) == (("sea", "sea gull"), ((1, 2, 3), (4, 5, 6)))


def test_only_a_background_is_black(tmp_path):
    assert read_class_file(written(tmp_path, "sea\nbird"))[1][0] == (128, 0, 0)
    assert read_class_file(written(tmp_path, "background\nbird"))[1][0] == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has 0 names"),
        ("sea\n\nbird", "line 2 is empty"),
        ("sea\nbird\nsea", "classes 0 and 2 are both 'sea'"),
        ("0 sea\n0 bird", "two classes have the same id"),
        ("\n".join(map("c{}".format, range(300))), "it has 300 names"),
        ('{"sea": 1}', "none of the keys"),
        ("[1, 2]", "1 is not a name"),
        ('item {\n  id: 1\n  name: "a"\n}', "'item {' is not a name"),
        ("names:\nnc: 2\n", "`names` is neither a list nor names by id"),
        ("[", "Expecting value"),
        ("id,name,kind\n0,sea", "a row has 2 columns, and the heading has 3"),
        ("id,name,kind\nx,sea,y", "the id of 'sea' is no whole number"),
        ('[{"name": "a", "color": [1, 2]}]', "not enough values"),
        ('[{"name": "a", "color": [0.5, 0, 0]}]', "is not three bytes"),
        ('[{"name": "a", "id": 9}, {"name": "b", "id": 3}]', "ids do not ascend"),
        ('{"classes": ["a", "b"], "ignore_index": true}', "which is no whole number"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        read_class_file(path)
    assert str(error.value).startswith(f"--classes {path}: ")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_class_file(path)

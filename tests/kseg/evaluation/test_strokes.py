import json

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.data.masks import read_classes
from kseg.data.open import open_data
from kseg.evaluation.strokes import open_strokes, write_classes


@pytest.fixture
def folder(tmp_path):
    """One image of 4x6 with its strokes, in the layout that the help recommends."""
    for name in ("images", "strokes", "masks"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "images" / "a.jpg")
    strokes(tmp_path, [[0, 255], [2, 255]])
    return tmp_path


def strokes(folder, corner):
    mask = np.full((4, 6), 255, np.uint8)
    mask[:2, :2] = corner
    Image.fromarray(mask).save(folder / "strokes" / "a.png")


def classes(folder, names=("sky", "road", "car"), **extra):
    content = {"classes": [{"name": name} for name in names], **extra}
    (folder / "classes.json").write_text(json.dumps(content), encoding="utf-8")


def opened(folder):
    return open_strokes(folder / "strokes", [folder / "images" / "a.jpg"])


def test_without_classes_json_ids_are_classes_and_255_is_void(folder):
    drawn = opened(folder)
    assert not drawn.declared
    assert drawn.info.class_names[2] == "class 2" and len(drawn.info.class_names) == 255
    mask = drawn.read(folder / "images" / "a.jpg")
    assert mask[:2, :2].tolist() == [[0, 255], [2, 255]]


def test_a_mask_of_0_and_255_is_not_binary(folder):
    strokes(folder, [[0, 255], [0, 255]])
    mask = opened(folder).read(folder / "images" / "a.jpg")
    assert mask[0, :2].tolist() == [0, 255]


def test_classes_are_read_from_the_folder_above(folder):
    classes(folder, ("sky", "road", "void"), ignore_index=2)
    drawn = opened(folder)
    assert drawn.declared and drawn.info.class_names == ("sky", "road")


def test_ids_of_the_file_are_mapped_to_class_ids(folder):
    classes(folder, ("void", "sky", "road"), ignore_index=0)
    strokes(folder, [[0, 1], [2, 255]])  # 255 is void in addition to 0
    mask = opened(folder).read(folder / "images" / "a.jpg")
    assert mask[:2, :2].tolist() == [[255, 0], [1, 255]]


def test_masks_with_their_classes_are_a_data_folder(folder):
    classes(folder, ignore_index=9)
    output = folder / "out"
    output.mkdir()
    strokes(folder, [[0, 9], [2, 9]])
    drawn = opened(folder)
    write_classes(output, drawn)
    mask = drawn.read(folder / "images" / "a.jpg")
    for name, array in (("images", np.zeros((4, 6, 3), np.uint8)), ("masks", mask)):
        (output / name).mkdir()
        for stem in ("a", "b"):
            Image.fromarray(array).save(output / name / f"{stem}.png")
    data = open_data(str(output))
    assert data.class_names == ("sky", "road", "car")
    np.testing.assert_array_equal(data.split("train").read(0)[1], mask)


def test_existing_equal_classes_are_not_rewritten(folder):
    classes(folder)
    before = (folder / "classes.json").read_bytes()
    write_classes(folder, opened(folder))
    assert (folder / "classes.json").read_bytes() == before


@pytest.mark.parametrize(
    "other",
    [
        {"names": ("road", "sky", "car")},
        {"ignore_index": 11},
        {"names": ("void", "sky", "road", "car"), "ignore_index": 0},
    ],
)
def test_existing_classes_with_other_ids_are_refused(folder, other):
    classes(folder)
    drawn = opened(folder)
    classes(folder, **other)
    with pytest.raises(InputError, match="differently .* use another --output"):
        write_classes(folder, drawn)


def test_no_classes_are_written_without_names(folder):
    write_classes(folder, opened(folder))
    assert read_classes(folder / "classes.json") is None


def as_jpeg(path):
    Image.open(path).save(path.with_suffix(".jpg"))
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "strokes/a.png").unlink(), "a.jpg: has no mask in .*strokes"),
        (lambda f: strokes(f, [[7, 255], [0, 255]]), "id 7 at row 0, column 0"),
        (
            lambda f: Image.new("L", (7, 4)).save(f / "strokes/a.png"),
            "a.png: the mask is 4x7, but its image is 4x6",
        ),
        (
            lambda f: as_jpeg(f / "strokes/a.png"),
            "JPEG and WebP compression changes class ids",
        ),
        (
            lambda f: Image.new("RGB", (6, 4), (1, 2, 3)).save(f / "strokes/a.png"),
            "the mask is RGB, but no classes.json",
        ),
    ],
)
def test_errors_are_one_line(folder, damage, message):
    classes(folder)
    damage(folder)
    with pytest.raises(InputError, match=message) as error:
        opened(folder)
    assert "\n" not in str(error.value)


def test_a_missing_folder_is_refused(folder):
    with pytest.raises(
        InputError, match="no such folder; --truth takes a folder of masks"
    ):
        open_strokes(folder / "none", [])

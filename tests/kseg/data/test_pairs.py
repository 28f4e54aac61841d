"""Reading pairs: training stops with the first error that the doctor lists."""

import json

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.data.checks.scan import scan
from kseg.data.folder import list_pairs
from kseg.data.open import open_data
from kseg.data.pairs import Pair, inspect_pair
from tests.kseg.conftest import write_pair

SIZE = (12, 16)
IMAGE = np.full((*SIZE, 3), 90, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two pairs to train on and one to validate with, of two classes."""
    for split, stem in (("train", "a"), ("train", "b"), ("val", "c")):
        write_pair(tmp_path / split, stem, IMAGE, np.eye(*SIZE, dtype=np.uint8))
    classes = [{"name": "ground"}, {"name": "line"}]
    (tmp_path / "classes.json").write_text(
        json.dumps({"classes": classes}), encoding="utf-8"
    )
    return tmp_path


def mask_is_missing(folder):
    (folder / "train/masks/a.png").unlink()


def mask_is_lossy(folder):
    path = folder / "train/masks/a.png"
    Image.open(path).save(path.with_suffix(".jpg"))
    path.unlink()


def two_images_have_one_stem(folder):
    Image.fromarray(IMAGE).save(folder / "train/images/a.bmp")


def mask_folder_is_missing(folder):
    (folder / "val/masks").rename(folder / "val/labels")


def image_is_truncated(folder):
    path = folder / "train/images/a.png"
    path.write_bytes(path.read_bytes()[:-20])


def mask_is_smaller(folder):
    Image.new("L", (8, 8)).save(folder / "train/masks/a.png")


def mask_has_invalid_id(folder):
    Image.new("L", SIZE[::-1], 7).save(folder / "train/masks/a.png")


def mask_has_unknown_color(folder):
    Image.new("RGB", SIZE[::-1], (1, 2, 3)).save(folder / "train/masks/a.png")


BROKEN = (
    mask_is_missing,
    mask_is_lossy,
    two_images_have_one_stem,
    mask_folder_is_missing,
    image_is_truncated,
    mask_is_smaller,
    mask_has_invalid_id,
    mask_has_unknown_color,
)


@pytest.mark.parametrize("break_folder", BROKEN, ids=lambda f: f.__name__)
def test_training_stops_with_the_first_error_of_the_doctor(folder, break_folder):
    break_folder(folder)
    listed = [issue.error for issue in scan(str(folder), 0).issues if issue.error]
    with pytest.raises(InputError) as caught:
        open_data(str(folder))
    assert str(caught.value) == listed[0]
    assert str(folder) in listed[0]


def test_ignored_files_are_listed_but_do_not_prevent_training(folder):
    (folder / "train/images/notes.txt").write_text("sunny", encoding="utf-8")
    Image.new("L", (8, 8)).save(folder / "train/masks/z.png")
    listing = list_pairs(folder)
    assert [issue.kind for issue in listing.issues] == ["not read", "no image"]
    assert not any(issue.error for issue in listing.issues)
    assert {name: len(pairs) for name, pairs in listing.pairs.items()} == {
        "train": 2,
        "val": 1,
    }
    open_data(str(folder))


def test_a_pair_is_read_as_far_as_possible(folder):
    image_is_truncated(folder)
    pair = Pair("train", folder / "train/images/a.png", folder / "train/masks/a.png")
    content = inspect_pair(pair, None)
    assert content.image is None
    assert [issue.kind for issue in content.issues] == ["unreadable image"]
    np.testing.assert_array_equal(content.ids, np.eye(*SIZE))


@pytest.fixture
def colored(tmp_path):
    """Masks of two colours, neither of them black."""
    colors = [[9, 0, 0], [70, 70, 70]]
    for split, stem in (("train", "a"), ("train", "b"), ("val", "c")):
        mask = np.array(colors, np.uint8)[np.eye(*SIZE, dtype=int)]
        write_pair(tmp_path / split, stem, IMAGE, mask)
    names = zip(("ground", "line"), colors, strict=True)
    classes = [{"name": name, "color": color} for name, color in names]
    (tmp_path / "classes.json").write_text(
        json.dumps({"classes": classes}), encoding="utf-8"
    )
    return tmp_path


def test_a_black_mask_among_masks_of_colours_is_not_of_class_0(colored):
    """An export that failed for one frame."""
    write_pair(colored / "train", "b", IMAGE, np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(InputError, match="b.png: is RGB and has a grey that is no col"):
        open_data(str(colored))
    (issue,) = (i for i in scan(str(colored), 0).issues if i.kind == "colors")
    assert issue.name == "train/masks/b.png"


def test_a_listed_grey_is_no_id(colored):
    mask = np.where(np.eye(*SIZE)[..., None], 70, 0).repeat(3, 2).astype(np.uint8)
    write_pair(colored / "train", "b", IMAGE, mask)
    with pytest.raises(InputError, match=r"b.png: colour \[0, 0, 0\] at row 0, col"):
        open_data(str(colored))

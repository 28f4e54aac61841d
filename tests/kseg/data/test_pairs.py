"""One reader of pairs: what stops a training is the first of what the doctor lists."""

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
    (tmp_path / "classes.json").write_text(json.dumps({"classes": classes}))
    return tmp_path


def mask_is_missing(folder):
    (folder / "train/masks/a.png").unlink()


def mask_is_lossy(folder):
    path = folder / "train/masks/a.png"
    Image.open(path).save(path.with_suffix(".jpg"))
    path.unlink()


def image_is_there_twice(folder):
    Image.fromarray(IMAGE).save(folder / "train/images/a.bmp")


def mask_folder_is_missing(folder):
    (folder / "val/masks").rename(folder / "val/labels")


def image_ends_early(folder):
    path = folder / "train/images/a.png"
    path.write_bytes(path.read_bytes()[:-20])


def mask_is_smaller(folder):
    Image.new("L", (8, 8)).save(folder / "train/masks/a.png")


def mask_has_another_id(folder):
    Image.new("L", SIZE[::-1], 7).save(folder / "train/masks/a.png")


def mask_has_another_color(folder):
    Image.new("RGB", SIZE[::-1], (1, 2, 3)).save(folder / "train/masks/a.png")


FAULTS = (
    mask_is_missing,
    mask_is_lossy,
    image_is_there_twice,
    mask_folder_is_missing,
    image_ends_early,
    mask_is_smaller,
    mask_has_another_id,
    mask_has_another_color,
)


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_training_is_refused_with_the_first_issue_that_the_doctor_lists(folder, spoil):
    spoil(folder)
    listed = [issue.refusal for issue in scan(str(folder), 0).faults if issue.refusal]
    with pytest.raises(InputError) as caught:
        open_data(str(folder))
    assert str(caught.value) == listed[0]
    assert str(folder) in listed[0]


def test_what_is_left_out_is_listed_and_stops_nothing(folder):
    (folder / "train/images/notes.txt").write_text("sunny")
    Image.new("L", (8, 8)).save(folder / "train/masks/z.png")
    listing = list_pairs(folder)
    assert [issue.kind for issue in listing.issues] == ["not read", "no image"]
    assert not any(issue.refusal for issue in listing.issues)
    assert {name: len(pairs) for name, pairs in listing.pairs.items()} == {
        "train": 2,
        "val": 1,
    }
    open_data(str(folder))


def test_a_pair_is_read_as_far_as_it_can_be(folder):
    image_ends_early(folder)
    pair = Pair("train", folder / "train/images/a.png", folder / "train/masks/a.png")
    content = inspect_pair(pair, None)
    assert content.image is None
    assert [issue.kind for issue in content.issues] == ["unreadable image"]
    np.testing.assert_array_equal(content.ids, np.eye(*SIZE))

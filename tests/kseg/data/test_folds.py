"""How the images of a data set are divided into folds."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from edge.video import scenes
from kseg.data.folds import (
    assign,
    connected,
    divide,
    image_keys,
    similar_groups,
    with_fold,
)
from kseg.data.open import open_data
from kseg.data.shapes import ObjectShapesSplit, ShapesSplit
from tests.kseg.conftest import write_data, write_pair

SIZE = (32, 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("folds") / "data"
    write_data(path, {"train": 7, "val": 3, "test": 2}, SIZE)
    return path


@pytest.fixture(scope="module")
def data(folder):
    return open_data(str(folder), None)


# --- dividing ---


def test_folds_are_even_and_depend_on_the_seed():
    """Ten images in three folds: 4, 3 and 3."""
    chosen = assign(range(10), 3, seed=0)
    assert sorted(np.bincount(chosen).tolist()) == [3, 3, 4]
    assert chosen == assign(range(10), 3, seed=0)
    assert chosen != assign(range(10), 3, seed=1)


def test_a_group_stays_together_and_the_largest_goes_first():
    """Groups of 3, 2, 2 and 1 images: 3 | 2, 2 and then the last to the smaller."""
    groups = [0, 0, 0, 1, 1, 2, 2, 3]
    chosen = assign(groups, 2, seed=5)
    for group in range(4):
        assert len({c for c, g in zip(chosen, groups, strict=True) if g == group}) == 1
    assert chosen[0] == 0 and chosen[3] == 1 and chosen[5] == 1
    assert chosen[7] == 0
    assert np.bincount(chosen).tolist() == [4, 4]


def test_every_image_of_train_and_val_is_in_one_fold(data):
    parts = divide(data, 3, seed=0)
    listed = [key for part in parts for key in part]
    assert sorted(listed) == sorted(image_keys(data))
    assert len(listed) == len(set(listed)) == 10
    assert {key.partition("/")[0] for key in listed} == {"train", "val"}


def test_the_seed_of_the_division_does_not_change_the_images_of_a_folder_without_val(
    tmp_path,
):
    write_data(tmp_path / "one", {"train": 5}, SIZE)
    undivided = open_data(str(tmp_path / "one"), None)
    assert set(undivided.splits) == {"train"}
    assert image_keys(undivided) == [f"train/s{index}.png" for index in range(5)]


def test_fewer_images_than_folds_are_refused(data):
    with pytest.raises(InputError, match="--folds 11: .* only 10 images .*--folds 10"):
        divide(data, 11, seed=0)


def test_one_image_cannot_be_divided(tmp_path):
    write_data(tmp_path / "one", {"train": 1}, SIZE)
    one = open_data(str(tmp_path / "one"), None)
    with pytest.raises(InputError, match="only 1 image in train and val; add images"):
        divide(one, 2, seed=0)


# --- images that look alike ---


def noise(seed):
    return np.random.RandomState(seed).randint(0, 256, (64, 64, 3), np.uint8)


def test_a_copy_and_a_mirrored_copy_are_in_one_group(tmp_path):
    smooth = [np.asarray(Image.fromarray(noise(i)).resize((6, 6))) for i in range(3)]
    images = [np.asarray(Image.fromarray(x).resize((64, 64))) for x in smooth]
    images += [images[0][:, ::-1], images[2]]
    mask = np.zeros((64, 64), np.uint8)
    for index, image in enumerate(images):
        write_pair(tmp_path / "d" / "train", f"i{index}", image, mask)
    groups = similar_groups(open_data(str(tmp_path / "d"), None))
    assert groups == [0, 1, 2, 0, 2]


def test_groups_are_connected_through_a_third_image():
    """Bits that differ: 20 from the first to the second, 20 on to the third, 40 apart.

    The last two have no hash, as images of one colour.
    """
    first = np.uint64(2**64 - 1)
    hashes = np.zeros((5, 2, 4), np.uint64)
    hashes[:3] = first
    hashes[1, :, 0] ^= np.uint64(2**20 - 1)
    hashes[2, :, 0] ^= np.uint64(2**40 - 1)
    assert connected(hashes) == [0, 0, 0, 3, 4]
    assert connected(hashes[[0, 2]]) == [0, 1]


def test_images_that_are_all_alike_are_divided_one_by_one(tmp_path, caplog):
    image, mask = scenes.scene(0, 0, SIZE)
    for index in range(4):
        write_pair(tmp_path / "d" / "train", f"i{index}", image, mask)
    parts = divide(open_data(str(tmp_path / "d"), None), 2, seed=0)
    assert [len(part) for part in parts] == [2, 2]
    assert "all images look alike" in caplog.text


# --- the data of one fold ---


def test_a_fold_is_val_and_the_rest_is_train(data):
    val = ["train/s1.png", "val/s0.png"]
    folded = with_fold(data, val, "fold.json")
    assert folded.splits["val"].names == ["s1.png", "s0.png"]
    assert len(folded.splits["train"].names) == 8
    assert folded.splits["test"] is data.splits["test"]
    image, mask = folded.splits["val"].read(1)
    expected = data.splits["val"].read(0)
    np.testing.assert_array_equal(image, expected.image)
    np.testing.assert_array_equal(mask, expected.target)


def test_train_and_val_of_every_fold_are_disjoint(data):
    seen = []
    for part in divide(data, 3, seed=0):
        folded = with_fold(data, part, "fold.json")
        train, val = (set(folded.splits[name].images) for name in ("train", "val"))
        assert not train & val and len(train | val) == 10
        seen += val
    assert len(set(seen)) == len(seen) == 10


@pytest.mark.parametrize("masks", [None, True, False])
def test_generated_scenes_can_be_divided(masks):
    def split(seed, count):
        if masks is None:
            return ShapesSplit(seed, count)
        return ObjectShapesSplit(seed, count, masks)

    task = {None: "semantic", True: "instance", False: "detection"}[masks]
    whole = open_data("shapes", None, task)
    data = replace(whole, splits={"train": split(0, 3), "val": split(1, 2)})
    parts = divide(data, 2, seed=0)
    folded = with_fold(data, parts[0], "fold.json")
    assert len(folded.splits["val"].sizes) == len(parts[0]) == 3
    assert len(folded.splits["train"].names) == 2
    first, _, name = parts[0][0].partition("/")
    index = int(name.removeprefix("scene "))
    expected = data.splits[first].read(index).image
    np.testing.assert_array_equal(folded.splits["val"].read(0).image, expected)


@pytest.mark.parametrize("val", [["train/gone.png"], None])
def test_data_that_changed_are_refused(data, val):
    val = val or image_keys(data)
    with pytest.raises(InputError, match="the data have changed since fold.json"):
        with_fold(data, val, "fold.json")

"""Proposals in files: of a data folder, and of generated scenes in the cache."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg import api
from kseg.core.configs import PrepareConfig
from kseg.data import proposals, shapes
from kseg.data.open import open_data
from kseg.data.proposals import ProposalSplit, read_boxes, remembered
from kseg.data.sample import Objects
from tests.support.object_folders import write_file
from tests.support.objects import objects_of


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "proposals"


@pytest.fixture
def few_shapes(monkeypatch):
    monkeypatch.setattr(shapes, "OBJECT_SCENES", {"train": 3, "val": 2, "test": 1})


IMAGE = np.full((24, 24, 3), 90, np.uint8)
IMAGE[4:14, 6:20] = 200


def test_proposals_of_an_image_are_kept_in_the_cache(cache):
    first = remembered(IMAGE)
    (path,) = cache.iterdir()
    np.save(path, first[:1])
    assert np.array_equal(remembered(IMAGE), first[:1])  # read, not computed
    path.write_bytes(b"damaged")
    assert np.array_equal(remembered(IMAGE), first)
    assert np.array_equal(read_boxes(path), first)  # and written again


def test_a_cache_that_cannot_be_written_is_not_needed(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    monkeypatch.setenv("KSEG_CACHE", str(file))
    assert len(remembered(IMAGE))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.zeros((2, 3), np.float32), r"is float32 \[2, 3\] and must be float32"),
        (np.zeros((2, 4)), r"is float64 \[2, 4\]"),
        (np.full((1, 4), np.nan, np.float32), "not finite"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content, reason):
    path = tmp_path / "a.npy"
    np.save(path, content)
    with pytest.raises(InputError, match=f"a.npy: .*{reason}.*prepare DIR --proposals"):
        read_boxes(path)


def test_recall_counts_objects_with_an_overlap_of_a_half():
    objects = objects_of([(0, 0, 10, 10), (20, 0, 30, 10), (0, 20, 9, 29)], [0, 0, 0])
    crowd = np.array([False, False, True])
    found = np.float32([[0, 0, 10, 5], [20, 0, 30, 4], [0, 0, 3, 3]])
    target = replace(objects, crowd=crowd, proposals=found)
    assert proposals.found_objects(target).tolist() == [True, False]


def test_generated_scenes_have_proposals(few_shapes, cache):
    split = open_data("shapes", task="detection").split("train")
    proposals.keep_all(split, "train")
    assert len(list(cache.iterdir())) == 3
    sample = ProposalSplit(split).read(1)
    assert isinstance(sample.target, Objects) and len(sample.target.proposals) > 20


def test_the_command_writes_files_and_the_recall(few_shapes, tmp_path, capsys):
    from kseg.cli.prepare import main

    path = tmp_path / "made.json"
    main(["shapes", "--proposals", "--json", str(path)])
    found = json.loads(path.read_text(encoding="utf-8"))["proposals"]
    assert [found[name]["images"] for name in ("train", "val", "test")] == [3, 2, 1]
    assert found["train"]["recall"] > 0.5 and found["train"]["boxes"] <= 3 * 500


def test_proposals_of_a_folder_are_beside_its_images(tmp_path):
    folder = write_file(tmp_path / "data", {"train": 2, "val": 1})
    done = api.prepare(folder, proposals=True)
    split = open_data(str(folder), task="detection").split("train")
    for image in split.images:
        boxes = read_boxes(image.parent.parent / "proposals" / f"{image.stem}.npy")
        assert len(boxes)
    assert done.proposals and done.proposals["train"].images == len(split.images)
    first = split.images[0]
    path = first.parent.parent / "proposals" / f"{first.stem}.npy"
    np.save(path, np.float32([[0, 0, 1, 1]]))
    assert ProposalSplit(split).read(0).target.proposals.tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proposals": True, "skip_missing": True}, "--skip-missing: has no effect"),
        ({}, "give DIR too"),
    ],
)
def test_options_of_a_conversion_need_a_folder_to_write(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        api.prepare(config=PrepareConfig(str(tmp_path), **options))

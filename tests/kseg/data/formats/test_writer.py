import json
import os
import subprocess

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.data.formats.source import SourceDataset, SourcePair
from kseg.data.formats.writer import assign_splits, staged, write_data_folder

MASK = np.array([[0, 1, 255], [2, 2, 0]], np.uint8)
NAMES, COLORS = ("background", "a", "b"), ((0, 0, 0), (9, 8, 7), (200, 100, 50))


def export_of(**splits) -> SourceDataset:
    return SourceDataset(False, NAMES, COLORS, splits)


def pair(path, mask=MASK, stem=None) -> SourcePair:
    return SourcePair(stem or path.stem, path, lambda: mask)


@pytest.fixture
def images(tmp_path, save):
    paths = [tmp_path / "from" / f"{i}.jpg" for i in range(10)]
    return [save(path, size=(2, 3)) for path in paths]


def write(images, target, mask=MASK):
    export = export_of(train=[pair(p, mask) for p in images[:2]], val=[])
    write_data_folder(export, assign_splits(export, target, 0.5, 0), target)


def stems(splits) -> dict[str, list[str]]:
    return {name: [p.stem for p in pairs] for name, pairs in splits.items()}


def test_what_is_written(images, target):
    write(images, target)
    found = sorted(p.relative_to(target) for p in target.rglob("*.*"))
    assert [len(list(target.glob(f"{s}/images/*.jpg"))) for s in ("train", "val")] == [
        1,
        1,
    ]
    assert len(found) == 5
    classes = json.loads((target / "classes.json").read_text(encoding="utf-8"))
    assert classes == {
        "classes": [
            {"name": name, "color": [*color]}
            for name, color in zip(NAMES, COLORS, strict=True)
        ],
        "ignore_index": 255,
    }


def test_masks_are_palette_pngs_of_ids(images, target):
    write(images, target)
    for path in target.glob("*/masks/*.png"):
        with Image.open(path) as mask:
            assert mask.mode == "P"
            assert np.array(mask).tolist() == MASK.tolist()
            assert mask.convert("RGB").getpixel((1, 0)) == COLORS[1]


def test_images_are_copied_byte_for_byte(images, target):
    write(images, target)
    for path in target.glob("*/images/*.jpg"):
        copied = images[int(path.stem)]
        assert path.read_bytes() == copied.read_bytes()
        assert not path.samefile(copied)


def test_pairs_without_a_split_are_for_training(images, tmp_path):
    named = {"train": images[:3], "val": images[3:5], "test": images[5:6]}
    export = export_of(**{k: [pair(p) for p in v] for k, v in named.items()})
    export.splits[""] = [pair(p) for p in images[6:]]
    found = stems(assign_splits(export, tmp_path, 0.5, 0))
    assert found["train"] == ["0", "1", "2", "6", "7", "8", "9"]
    assert (found["val"], found["test"]) == (["3", "4"], ["5"])


@pytest.mark.parametrize("share, count", ((0.2, 2), (0.5, 5), (0.01, 1), (0.99, 9)))
def test_share_of_val(images, tmp_path, share, count):
    export = export_of(train=[pair(p) for p in images])
    found = stems(assign_splits(export, tmp_path, share, 0))
    assert len(found["val"]) == count
    assert sorted(found["train"] + found["val"]) == [str(i) for i in range(10)]
    assert stems(assign_splits(export, tmp_path, share, 0)) == found


def test_seed_of_val(images, tmp_path):
    export = export_of(train=[pair(p) for p in images])
    found = [
        stems(assign_splits(export, tmp_path, 0.5, seed))["val"] for seed in range(4)
    ]
    assert any(names != found[0] for names in found)


@pytest.mark.parametrize("split", ("val", "test"))
def test_a_split_alone_stays_alone(images, tmp_path, split):
    export = export_of(**{split: [pair(p) for p in images[:2]]})
    assert stems(assign_splits(export, tmp_path, 0.5, 0)) == {split: ["0", "1"]}


def test_no_images_are_an_error(tmp_path):
    with pytest.raises(InputError, match="no labelled images"):
        assign_splits(export_of(val=[]), tmp_path, 0.5, 0)


def test_one_image_is_too_few(images, tmp_path):
    with pytest.raises(InputError, match="only one image"):
        assign_splits(export_of(train=[pair(images[0])]), tmp_path, 0.5, 0)


@pytest.mark.parametrize("name", ("a.heic", ".a.jpg", "a"))
def test_invalid_image_names(images, tmp_path, name):
    given = SourcePair(os.path.splitext(name)[0], tmp_path / name, lambda: MASK)
    with pytest.raises(InputError, match="not a valid image name"):
        assign_splits(export_of(train=[given, pair(images[0])]), tmp_path, 0.5, 0)


def test_missing_image_is_an_error_of_one_line(images, target):
    images[1].unlink()
    with pytest.raises(InputError, match=f"{images[1]}: cannot be copied") as caught:
        write(images, target)
    assert "\n" not in str(caught.value)
    assert not target.exists()
    assert not list(target.parent.glob(".*"))


def test_mask_of_another_size(images, target):
    with pytest.raises(InputError, match="is 2x3, but its labels are for 2x2"):
        write(images, target, MASK[:, :2])
    assert not target.exists()


def test_any_other_error_leaves_no_files(images, target):
    def fails():
        raise ZeroDivisionError

    export = export_of(train=[SourcePair(p.stem, p, fails) for p in images])
    with pytest.raises(ZeroDivisionError):
        write_data_folder(export, assign_splits(export, target, 0.5, 0), target)
    assert not target.exists()
    assert not list(target.parent.glob(".*"))


# --- the temporary folder ---


def test_empty_folder_is_replaced(target):
    target.mkdir()
    with staged(target) as part:
        (part / "a").touch()
        assert part.name.startswith(f".{target.name}.")
        assert not any(target.iterdir())
    assert [p.name for p in target.iterdir()] == ["a"]
    assert not part.exists()


@pytest.mark.parametrize("kind", ("folder", "file"))
def test_existing_target_is_kept(target, kind):
    if kind == "folder":
        target.mkdir()
        (target / "a").touch()
    else:
        target.touch()
    with pytest.raises(InputError, match=f"{target}: already exists"):
        with staged(target):
            pass
    assert target.exists()


def test_target_created_in_the_meantime_is_kept(target):
    with pytest.raises(InputError, match="already exists"):
        with staged(target):
            target.mkdir()
            (target / "a").touch()
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_folder_that_cannot_be_made(target):
    target.touch()
    with pytest.raises(InputError, match="cannot be created .*it is a file"):
        with staged(target / "data"):
            pass


def test_only_temporary_folders_of_ended_processes_are_removed(target):
    ended = subprocess.Popen(["true"])
    ended.wait()
    names = {
        f".{target.name}.{ended.pid}.part": False,
        f".{target.name}.{os.getppid()}.part": True,
        f".{target.name}.x.part": True,
        f".{target.name}2.{ended.pid}.part": True,
        f".{target.name}.{ended.pid}.jpg": True,
    }
    for name in names:
        (target.parent / name).mkdir()
    with staged(target):
        pass
    assert {name: (target.parent / name).exists() for name in names} == names

import json
import os
import subprocess

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.data.formats.source import Pair, SourceDataset
from kseg.data.formats.writer import divide, staged, write_layout

MASK = np.array([[0, 1, 255], [2, 2, 0]], np.uint8)
NAMES, COLORS = ("background", "a", "b"), ((0, 0, 0), (9, 8, 7), (200, 100, 50))


def export_of(**splits) -> SourceDataset:
    return SourceDataset(False, NAMES, COLORS, splits)


def pair(path, mask=MASK, stem=None) -> Pair:
    return Pair(stem or path.stem, path, lambda: mask)


@pytest.fixture
def pictures(tmp_path, save):
    paths = [tmp_path / "from" / f"{i}.jpg" for i in range(10)]
    return [save(path, size=(2, 3)) for path in paths]


def write(pictures, target, mask=MASK):
    export = export_of(train=[pair(p, mask) for p in pictures[:2]], val=[])
    write_layout(export, divide(export, target, 0.5, 0), target)


def stems(splits) -> dict[str, list[str]]:
    return {name: [p.stem for p in pairs] for name, pairs in splits.items()}


def test_what_is_written(pictures, target):
    write(pictures, target)
    found = sorted(p.relative_to(target) for p in target.rglob("*.*"))
    assert [len(list(target.glob(f"{s}/images/*.jpg"))) for s in ("train", "val")] == [
        1,
        1,
    ]
    assert len(found) == 5
    classes = json.loads((target / "classes.json").read_text())
    assert classes == {
        "classes": [
            {"name": name, "color": [*color]}
            for name, color in zip(NAMES, COLORS, strict=True)
        ],
        "ignore_index": 255,
    }


def test_masks_are_palette_pngs_of_ids(pictures, target):
    write(pictures, target)
    for path in target.glob("*/masks/*.png"):
        with Image.open(path) as mask:
            assert mask.mode == "P"
            assert np.array(mask).tolist() == MASK.tolist()
            assert mask.convert("RGB").getpixel((1, 0)) == COLORS[1]


def test_pictures_are_copied_byte_for_byte(pictures, target):
    write(pictures, target)
    for path in target.glob("*/images/*.jpg"):
        copied = pictures[int(path.stem)]
        assert path.read_bytes() == copied.read_bytes()
        assert not path.samefile(copied)


def test_no_split_is_for_training(pictures, tmp_path):
    named = {"train": pictures[:3], "val": pictures[3:5], "test": pictures[5:6]}
    export = export_of(**{k: [pair(p) for p in v] for k, v in named.items()})
    export.splits[""] = [pair(p) for p in pictures[6:]]
    found = stems(divide(export, tmp_path, 0.5, 0))
    assert found["train"] == ["0", "1", "2", "6", "7", "8", "9"]
    assert (found["val"], found["test"]) == (["3", "4"], ["5"])


@pytest.mark.parametrize("share, count", ((0.2, 2), (0.5, 5), (0.01, 1), (0.99, 9)))
def test_share_of_val(pictures, tmp_path, share, count):
    export = export_of(train=[pair(p) for p in pictures])
    found = stems(divide(export, tmp_path, share, 0))
    assert len(found["val"]) == count
    assert sorted(found["train"] + found["val"]) == [str(i) for i in range(10)]
    assert stems(divide(export, tmp_path, share, 0)) == found


def test_seed_of_val(pictures, tmp_path):
    export = export_of(train=[pair(p) for p in pictures])
    found = [stems(divide(export, tmp_path, 0.5, seed))["val"] for seed in range(4)]
    assert any(names != found[0] for names in found)


def test_test_alone_is_nothing_to_train_on(pictures, tmp_path):
    with pytest.raises(InputError, match="to train on"):
        divide(export_of(test=[pair(p) for p in pictures]), tmp_path, 0.5, 0)


def test_one_picture_is_too_few(pictures, tmp_path):
    with pytest.raises(InputError, match="too few"):
        divide(export_of(train=[pair(pictures[0])]), tmp_path, 0.5, 0)


@pytest.mark.parametrize("name", ("a.gif", ".a.jpg", "a"))
def test_files_that_the_layout_does_not_read(pictures, tmp_path, name):
    given = Pair(os.path.splitext(name)[0], tmp_path / name, lambda: MASK)
    with pytest.raises(InputError, match="no name of a picture"):
        divide(export_of(train=[given, pair(pictures[0])]), tmp_path, 0.5, 0)


def test_missing_picture_is_one_line(pictures, target):
    pictures[1].unlink()
    with pytest.raises(InputError, match=f"{pictures[1]}: cannot be copied") as caught:
        write(pictures, target)
    assert "\n" not in str(caught.value)
    assert not target.exists()
    assert not list(target.parent.glob(".*"))


def test_mask_of_another_size(pictures, target):
    with pytest.raises(InputError, match="is 2x3, but its labels are for 2x2"):
        write(pictures, target, MASK[:, :2])
    assert not target.exists()


def test_any_other_error_leaves_nothing_either(pictures, target):
    def fails():
        raise ZeroDivisionError

    export = export_of(train=[Pair(p.stem, p, fails) for p in pictures])
    with pytest.raises(ZeroDivisionError):
        write_layout(export, divide(export, target, 0.5, 0), target)
    assert not target.exists()
    assert not list(target.parent.glob(".*"))


# --- the folder beside ---


def test_empty_folder_is_taken(target):
    target.mkdir()
    with staged(target) as part:
        (part / "a").touch()
        assert part.name.startswith(f".{target.name}.")
        assert not any(target.iterdir())
    assert [p.name for p in target.iterdir()] == ["a"]
    assert not part.exists()


@pytest.mark.parametrize("kind", ("folder", "file"))
def test_what_is_there_is_kept(target, kind):
    if kind == "folder":
        target.mkdir()
        (target / "a").touch()
    else:
        target.touch()
    with pytest.raises(InputError, match=f"{target}: is there already"):
        with staged(target):
            pass
    assert target.exists()


def test_what_came_meanwhile_is_kept(target):
    with pytest.raises(InputError, match="is there already"):
        with staged(target):
            target.mkdir()
            (target / "a").touch()
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_folder_that_cannot_be_made(target):
    target.touch()
    with pytest.raises(InputError, match="the folder cannot be created"):
        with staged(target / "data"):
            pass


def test_leftovers_of_ended_processes_go_and_those_of_others_stay(target):
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

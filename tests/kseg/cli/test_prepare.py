"""The command as a whole; the formats are tested in data/formats/."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.cli.prepare import main
from kseg.core.configs import PrepareConfig
from kseg.data.formats.detect import FORMATS, detect_format
from kseg.data.open import open_data
from tests.support.posix import needs_posix

ROOT = Path(__file__).parents[3]
MANY = 1500
# Nothing but names: by which the format of an export is detected. {} is any JSON.
EXPORTS = {
    "voc": ("SegmentationClass/a.png",),
    "roboflow": ("train/_classes.csv", "train/a_mask.png"),
    "segnet": ("train/a.png", "trainannot/a.png"),
    "cityscapes": (
        "leftImg8bit/train/bonn/bonn_0_1_leftImg8bit.png",
        "gtFine/train/bonn/bonn_0_1_gtFine_labelIds.png",
    ),
    "ade20k": (
        "images/training/ADE_train_1.jpg",
        "annotations/training/ADE_train_1.png",
    ),
    "supervisely": ('meta.json={"classes": []}', "a/img/a.jpg", "a/ann/a.jpg.json={}"),
    "labelme": ('a.json={"version": "5", "shapes": [], "imagePath": "a.jpg"}',),
    "coco": ("annotations/instances_train2017.json={}",),
    "coco of Roboflow": ("train/_annotations.coco.json={}",),
    "coco of CVAT": ("annotations/instances_default.json={}", "images/a.jpg"),
    "bowl": ("0ab/images/0ab.png", "0ab/masks/1.png"),
    "yolo": ("images/train/a.jpg", "labels/train/a.txt", "data.yaml"),
    "yolo of Roboflow": ("train/images/a.jpg", "train/labels/a.txt"),
    "cvat": ("annotations.xml=<annotations>", "images/a.jpg"),
    "voc-boxes": ("Annotations/a.xml=<annotation>", "JPEGImages/a.jpg"),
    "voc-boxes of labelImg": ("a.xml=<annotation>", "a.jpg"),
    "coco of others": ('r.json={"images": [], "annotations": [], "categories": []}',),
}


def touch(folder: Path, names) -> Path:
    for name in names:
        path, _, text = name.partition("=")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def segnet(folder: Path, count: int, size=(30, 40)) -> Path:
    """A source of `count` pictures, all links to one: sky above trees."""
    for kind in ("train", "trainannot"):
        (folder / kind).mkdir(parents=True)
    first = [folder / kind / "0.png" for kind in ("train", "trainannot")]
    Image.fromarray(np.full((*size, 3), 100, np.uint8)).save(first[0])
    mask = np.full(size, 5, np.uint8)
    mask[: size[0] // 2] = 0
    Image.fromarray(mask).save(first[1])
    for index in range(1, count):
        for path in first:
            os.link(path, path.with_name(f"{index}.png"))
    return folder


def start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "kseg.prepare", *map(str, arguments)]
    # Under a shell's `&` SIGINT is ignored, and children would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for_pictures(folder: Path) -> None:
    """Until a process has written some into the hidden folder beside `folder`."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if len(list(folder.parent.glob(f".{folder.name}.*/train/masks/*"))) > 20:
            return
        time.sleep(0.01)
    raise AssertionError("no picture was written in a minute")


@pytest.fixture
def source(tmp_path) -> Path:
    return segnet(tmp_path / "from", 5)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_are_recognised(tmp_path, name):
    assert detect_format(touch(tmp_path, EXPORTS[name])) == name.split()[0]


def test_every_format_is_among_them():
    assert {name.split()[0] for name in EXPORTS} == set(FORMATS)


@pytest.mark.parametrize("name", EXPORTS)
def test_other_commands_name_this_one(tmp_path, name):
    folder = touch(tmp_path / "my data", EXPORTS[name])
    with pytest.raises(InputError) as caught:
        open_data(str(folder))
    message = str(caught.value)
    assert "\n" not in message
    assert f"kseg prepare '{folder}' DIR" in message


def test_training_on_an_export_is_one_line_and_status_2(source):
    done = subprocess.run(
        [sys.executable, "-m", "kseg.train", "--data", str(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"kseg train: {source}: this is an export in another format"
    )
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_was_found_is_said(source, target, capsys):
    report = target.parent / "report.json"
    main([str(source), str(target), "--val-share", "0.4", "--json", str(report)])
    said = capsys.readouterr().err
    assert (
        f"{source}: read as segnet: train 3, val 2; 11 classes: sky, building" in said
    )
    assert f"kseg train --data {target}\n" in said
    assert "  tree: images 5, pixels 3,000 (50.0%)" in said
    assert "classes that occur in no image: building" in said
    found = json.loads(report.read_text(encoding="utf-8"))
    masks = found.pop("masks")
    assert masks["images"]["tree"] == 5 and masks["pixels"]["tree"] == 5 * 15 * 40
    assert masks["void"] == 0 and masks["only_void"] == []
    assert found.pop("classes")[:2] == ["sky", "building"]
    assert found == {
        "format": "segnet",
        "task": "semantic",
        "splits": {"train": 3, "val": 2},
        "unlabelled": 0,
        "other_licences": 0,
        "missing": 0,
    }


def test_round_trip(source, target):
    main([str(source), str(target)])
    data = open_data(str(target))
    assert data.num_classes == 11
    assert {name: len(split.names) for name, split in data.splits.items()} == {
        "train": 4,
        "val": 1,
    }
    image, mask = data.split("val").read(0)
    assert (image == 100).all()
    assert (mask[:15] == 0).all() and (mask[15:] == 5).all()


# --- refusals ---


def refusal(*argv: object) -> str:
    with pytest.raises(InputError) as caught:
        main([str(argument) for argument in argv])
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_unknown_layout_lists_the_known_ones(tmp_path, target):
    folder = touch(tmp_path / "from", ("photos/a.jpg", "notes.json={}"))
    message = refusal(folder, target)
    assert str(folder) in message
    for module in FORMATS.values():
        assert module.DESCRIPTION in message


def test_export_in_a_folder_of_its_archive(tmp_path, target):
    folder = touch(tmp_path / "VOCdevkit" / "VOC2012", EXPORTS["voc"])
    message = refusal(folder.parent, target)
    assert f"but its folder {folder} is" in message


def test_an_archive_is_to_be_unpacked(tmp_path, target):
    path = touch(tmp_path, ("export/masks.zip",)) / "export/masks.zip"
    assert f"{path}: is an archive; unpack it" in refusal(path, target)
    message = refusal(path.parent, target)
    assert (
        f"{path.parent}: not a known export format, but it has the archive" in message
    )
    with pytest.raises(InputError, match="is an archive; unpack it"):
        open_data(str(path))


def test_missing_source(tmp_path, target):
    assert str(tmp_path / "nowhere") in refusal(tmp_path / "nowhere", target)


def test_source_in_the_layout_already(source, target, tmp_path):
    main([str(source), str(target)])
    assert "is already a data folder" in refusal(target, tmp_path / "again")


def test_target_with_content_is_kept(source, target):
    target.mkdir()
    (target / "mine").write_text("mine", encoding="utf-8")
    assert f"{target}: already exists" in refusal(source, target)
    assert [path.name for path in target.iterdir()] == ["mine"]


def test_a_target_inside_the_source_is_refused(source, tmp_path):
    assert f"is inside {source}" in refusal(source, source / "sub" / "data")
    link = tmp_path / "link"
    link.symlink_to(source, target_is_directory=True)
    assert f"{link / 'data'}: is inside {source}" in refusal(source, link / "data")
    assert f"{source / 'data'}: is inside {link}" in refusal(link, source / "data")
    beside = source.with_name(f"{source.name}2")
    main([str(source), str(beside)])
    assert (beside / "train").is_dir()


def test_licences_of_formats_without_any_are_refused(source, target):
    message = refusal(source, target, "--licenses", "4")
    assert "format segnet, which has no licences of images; only coco has" in message


@pytest.mark.parametrize("share", ("0", "1", "2"))
def test_share_that_is_none(source, target, share):
    assert "--val-share" in refusal(source, target, "--val-share", share)


def test_defaults_are_said_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert f"(default {PrepareConfig('a', 'b').val_share})" in text
    for name in FORMATS:
        assert f"  {name} " in text


# --- whole or not at all ---


@needs_posix
def test_a_killed_run_leaves_no_layout_and_the_next_one_clears_up(tmp_path, target):
    source = segnet(tmp_path / "from", MANY)
    process = start(source, target)
    wait_for_pictures(target)
    process.kill()
    process.communicate()
    assert not target.exists()
    assert len(list(tmp_path.glob(".data.*.part"))) == 1
    done = start(source, target)
    assert done.communicate()[0] is None
    assert done.returncode == 0
    assert not list(tmp_path.glob(".*"))
    assert len(list(target.glob("*/masks/*.png"))) == MANY


@needs_posix
def test_ctrl_c_leaves_nothing(tmp_path, target):
    process = start(segnet(tmp_path / "from", MANY), target)
    wait_for_pictures(target)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130
    assert said.strip().splitlines()[-1] == "kseg prepare: stopped by Ctrl-C"
    assert [path.name for path in tmp_path.iterdir()] == ["from"]


def peak_memory(source: Path, target: Path) -> int:
    """The most bytes that a run held, as seen from outside."""
    process = start(source, target)
    watched, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            most = max(most, watched.memory_info().rss)
        except psutil.Error:  # it has just ended
            break
        time.sleep(0.005)
    process.communicate()
    assert process.returncode == 0
    return most


@pytest.mark.slow
def test_memory_does_not_grow_with_the_pictures(tmp_path):
    """Masks of a million bytes each: 80 of them would show, if they were kept."""
    peaks = []
    for count in (20, 100):
        source = segnet(tmp_path / str(count), count, (1000, 1000))
        peaks.append(peak_memory(source, tmp_path / f"data {count}"))
    assert peaks[1] - peaks[0] < 30e6

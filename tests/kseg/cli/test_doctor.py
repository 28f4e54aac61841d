import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import GateFailed, InputError
from edge.core.images import read_image
from edge.predict.resizing import fit_within
from edge.video import scenes
from kseg.cli.doctor import main
from kseg.core.configs import TrainConfig
from kseg.data import shapes
from kseg.data.open import open_data
from kseg.reporting.dataset_figures import CROP_CELL, EPOCHS, ROWS, WIDTH, augmented
from kseg.reporting.figures import GAP

KEYS = {
    "data",
    "harm",
    "warning",
    "note",
    "pictures",
    "void",
    "sizes",
    "kinds",
    "classes",
    "class_weights",
    "findings",
}


@pytest.fixture
def broken(data_folder, tmp_path) -> Path:
    """The small folder with a leak, an image without a mask and a wrong id."""
    folder = tmp_path / "broken"
    shutil.copytree(data_folder, folder)
    for kind in ("images", "masks"):
        shutil.copy(folder / "train" / kind / "s0.png", folder / "val" / kind)
    (folder / "train/masks/s1.png").unlink()
    mask = np.asarray(Image.open(folder / "train/masks/s2.png")).copy()
    mask[:20, :20] = 77
    Image.fromarray(mask).save(folder / "train/masks/s2.png")
    return folder


def test_sound_folder_has_no_harm(data_folder, tmp_path, capsys):
    target = tmp_path / "found.json"
    main([str(data_folder), "--json", str(target)])
    text = capsys.readouterr().out
    assert "6 classes; 16 train, 4 val" in text
    assert "8-bit RGB; 64x80 (20)" in text
    last = f"ready to train (1 kind of warning): kseg train --data {data_folder}\n"
    assert text.endswith(last)
    content = json.loads(target.read_text(encoding="utf-8"))
    assert set(content) == KEYS
    assert content["harm"] == 0
    assert content["pictures"] == {"train": 16, "val": 4}
    assert content["sizes"]["train"] == {"64x80": 16}
    assert content["kinds"]["val"] == {"8-bit RGB": 4}
    assert content["void"] == {"train": 0, "val": 0}


def test_class_figures(data_folder, capsys):
    """Counted again from the masks."""
    main([str(data_folder), "--json", "-"])
    content = json.loads(capsys.readouterr().out)
    masks = [scenes.scene(0, index, (64, 80))[1] for index in range(16)]
    disc = content["classes"][1]
    pixels = sum(int((mask == 1).sum()) for mask in masks)
    within = [mask for mask in masks if (mask == 1).any()]
    assert disc["name"] == "disc"
    assert disc["pixels"]["train"] == pixels
    assert disc["pictures"]["train"] == len(within)
    share = pixels / (16 * 64 * 80)
    assert disc["share"]["train"] == pytest.approx(share)


def four_masks(folder: Path) -> None:
    """Masks to train on of 6 and 2, of 8, and of 1 and 3 parts of three classes."""
    parts = ([0] * 6 + [1] * 2, [0] * 8, [0] * 2 + [2] * 6, [255] * 8)
    for split in ("train", "val"):
        for index, ids in enumerate(parts):
            mask = np.repeat(np.repeat([ids], 40, 0), 6, 1).astype(np.uint8)
            image = scenes.scene(len(split), index, mask.shape)[0]
            for kind, array in (("images", image), ("masks", mask)):
                (folder / split / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(folder / split / kind / f"{index}.png")


def test_class_weights_by_hand(tmp_path, capsys):
    """Of 24 parts that are labelled the classes have 16, 2 and 6.

    Frequencies where they occur: 16/24, 2/8, 6/8. The median is 2/3, the weights are
    1, 8/3, 8/9, of the mean pixel (16 + 16/3 + 16/3) / 24 = 10/9, which shall be 1.
    """
    four_masks(tmp_path)
    main([str(tmp_path), "--json", "-"])
    content = json.loads(capsys.readouterr().out)
    weights = content["class_weights"]
    expected = [0.9, 2.4, 0.8]
    assert weights["median"] == pytest.approx(expected, abs=1e-6)
    raw = 1 / np.log(1.02 + np.array([16, 2, 6]) / 24)
    scaled = raw / np.average(raw, weights=[16, 2, 6])
    assert weights["log"] == pytest.approx(scaled.tolist(), abs=1e-6)
    assert content["void"]["train"] == 0.25
    assert [c["pictures"]["train"] for c in content["classes"]] == [3, 1, 1]
    assert [c["pixels"]["train"] / 240 for c in content["classes"]] == [16, 2, 6]


def test_weights_are_those_of_training(data_folder, capsys):
    from kseg.data.class_weights import class_weights, count_pixels

    main([str(data_folder), "--json", "-"])
    found = json.loads(capsys.readouterr().out)["class_weights"]
    counts = count_pixels(open_data(str(data_folder)).split("train"), 6)
    for rule, weights in found.items():
        assert weights == list(class_weights(rule, counts))


def test_harm_ends_with_status_3_after_everything_is_said(broken, tmp_path):
    output, target = tmp_path / "out", tmp_path / "found.json"
    command = [sys.executable, "-m", "kseg.doctor", str(broken)]
    done = subprocess.run(
        [*command, "--output", str(output), "--json", str(target)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == (
        f"kseg doctor: {broken}: 3 kinds of errors; fix them before training"
    )
    assert "Traceback" not in done.stderr
    for name in ("train/images/s1.png", "val/images/s0.png", "train/masks/s2.png"):
        assert name in done.stdout
    found = json.loads(target.read_text(encoding="utf-8"))["findings"]
    harms = {f["kind"]: f for f in found if f["severity"] == "harm"}
    assert set(harms) == {"no mask", "ids", "exact copy"}
    keys = {"severity", "kind", "split", "count", "text", "examples"}
    assert set(harms["ids"]) == keys
    assert read_image(output / "doctor.png").shape[1] == WIDTH


def test_weights_can_be_pasted(data_folder, capsys):
    main([str(data_folder)])
    text = capsys.readouterr().out
    for rule in ("median", "log"):
        line = text.partition(f"--class-weights {rule}, in order:\n")[2]
        values = [float(v) for v in line.splitlines()[0].split(",")]
        assert len(values) == 6 and min(values) > 0


def test_doctor_png_shows_worst_pictures(broken, data_folder, tmp_path):
    """The copies and the wrong ids, which are magenta; a sound folder has no row."""
    with pytest.raises(GateFailed):
        main([str(broken), "--output", str(tmp_path / "a")])
    main([str(data_folder), "--output", str(tmp_path / "b")])
    bad, good = (read_image(tmp_path / name / "doctor.png") for name in "ab")
    assert bad.shape[1] == good.shape[1] == WIDTH
    assert bad.shape[0] > good.shape[0]
    magenta = (bad == (255, 0, 255)).all(axis=2)
    scale = min(150 / 64, 200 / 80)
    assert magenta.sum() == pytest.approx((20 * scale) ** 2, rel=0.1)
    assert not (good == (255, 0, 255)).all(axis=2).any()


@pytest.mark.parametrize(
    "options", ({"elastic": 3}, {"paste": 1, "paste_classes": ("square",)})
)
def test_shown_augmentation_is_what_training_sees(data_folder, options):
    """Picture and epoch as `training_batches` counts them, pixel for pixel."""
    from kseg.data.loading.batches import training_batches
    from kseg.data.loading.pasting import new_paster
    from kseg.data.loading.reader import CachedReader

    config = TrainConfig(batch_size=1, size=(64, 64), seed=5, **options)
    data = open_data(str(data_folder))
    split = data.split("train")
    rows = augmented(config, data, (64, 64), [0, 9])
    reader = CachedReader(split, 1024)
    paster = new_paster(config, data, reader)
    batches = training_batches(reader, config, (64, 64), 3, paster=paster)
    seen = [
        (np.rint(image[0]).astype(np.uint8), mask[0].numpy())
        for image, mask in batches.take(16 * EPOCHS)
    ]
    for row, index in zip(rows, (0, 9), strict=True):
        np.testing.assert_array_equal(row[0][0], split.read(index)[0])
        for epoch, (image, mask) in enumerate(row[1:]):
            inside = seen[16 * epoch : 16 * (epoch + 1)]
            same = [
                (mask == their_mask).all() and abs(image - theirs.astype(int)).max() < 2
                for theirs, their_mask in inside
            ]
            assert sum(same) == 1


@pytest.mark.parametrize("options", ([], ["--elastic", "4", "--size", "48x64"]))
def test_augmentation_png(data_folder, tmp_path, options):
    main([str(data_folder), "--output", str(tmp_path), "--show-augmentation", *options])
    sheet = read_image(tmp_path / "augmentation.png")
    height, width = fit_within((48, 64) if options else (64, 64), CROP_CELL)
    title_height, legend_width = 30, 160
    assert sheet.shape[0] == title_height + ROWS * (height + GAP)
    assert sheet.shape[1] == (EPOCHS + 1) * (width + GAP) + legend_width


def test_no_augmentation_of_a_broken_folder(broken, tmp_path, capsys):
    with pytest.raises(GateFailed):
        main([str(broken), "--output", str(tmp_path), "--show-augmentation"])
    assert "no augmentation.png" in capsys.readouterr().err
    assert not (tmp_path / "augmentation.png").exists()


def no_masks(folder: Path) -> None:
    for split in ("train", "val"):
        shutil.rmtree(folder / split / "masks")


def empty_masks(folder: Path) -> None:
    for path in folder.glob("*/masks/*"):
        path.write_bytes(b"")


def all_void(folder: Path) -> None:
    for path in folder.glob("*/masks/*"):
        Image.fromarray(np.full((64, 80), 255, np.uint8)).save(path)


def no_train(folder: Path) -> None:
    shutil.rmtree(folder / "train")


@pytest.mark.parametrize("ruin", (no_masks, empty_masks, all_void, no_train))
def test_damaged_folders_are_examined_completely(data_folder, tmp_path, ruin):
    """Even if little can be counted, everything is reported and drawn, with errors."""
    folder = tmp_path / "ruin"
    shutil.copytree(data_folder, folder)
    ruin(folder)
    with pytest.raises(GateFailed):
        main([str(folder), "--output", str(tmp_path / "out")])
    assert (tmp_path / "out" / "doctor.png").exists()


def test_shapes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shapes, "SHAPES_SCENES", {"train": 40, "val": 20, "test": 20})
    main(["shapes", "--output", str(tmp_path)])
    assert "no errors found" in capsys.readouterr().out
    assert read_image(tmp_path / "doctor.png").shape[1] == WIDTH


@pytest.mark.parametrize(
    "argv, words",
    (
        (["nowhere"], "nowhere"),
        (["shapes", "--show-augmentation"], "--output"),
        (["shapes", "--scale", "0.5"], "--scale"),
    ),
)
def test_bad_use(argv, words):
    with pytest.raises(InputError, match=words):
        main(argv)

"""Exports are added to data folders: what is new, where it goes, and nothing else."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from edge.core.images import read_raw
from edge.video import scenes
from kseg.api import prepare
from kseg.cli.prepare import main
from kseg.data.merging.merge import first_of
from kseg.data.open import open_data
from tests.support.leftovers import entries
from tests.support.posix import needs_linux

ROOT = Path(__file__).parents[4]
CLASSES = scenes.CLASSES
SIZE = (64, 96)


def scene(seed: int, index: int, time: int = 0):
    return scenes.scene(seed, index, SIZE, time)


def write_data(folder: Path, counts=(("train", 4), ("val", 2), ("test", 1)), **content):
    """A data folder of scenes: seed 0 for train, 1 for val, 2 for test."""
    for seed, (split, count) in enumerate(counts):
        for index in range(count):
            pair = scene(seed, index)
            for kind, array in zip(("images", "masks"), pair, strict=True):
                place = folder / split / kind
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(place / f"s{index}.png")
    named = [{"name": name} for name in CLASSES]
    text = json.dumps({"classes": named, **content})
    (folder / "classes.json").write_text(text, encoding="utf-8")
    return folder


def write_export(folder: Path, images: dict, names=CLASSES[1:]) -> Path:
    """A labelme export: file name -> (image, mask); a mask is an image of ids there."""
    from base64 import b64encode
    from io import BytesIO

    folder.mkdir()
    for name, (image, mask) in images.items():
        Image.fromarray(image).save(folder / name)
        shapes = []
        for class_id in np.unique(mask[mask > 0]).tolist():
            stream = BytesIO()
            Image.fromarray(np.uint8(255 * (mask == class_id))).save(stream, "PNG")
            shapes.append(
                {
                    "label": names[class_id - 1],
                    "points": [[0, 0], [SIZE[1] - 1, SIZE[0] - 1]],
                    "shape_type": "mask",
                    "mask": b64encode(stream.getvalue()).decode(),
                }
            )
        content = {"shapes": shapes, "imagePath": name, "imageData": None}
        path = folder / f"{Path(name).stem}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture
def data(tmp_path) -> Path:
    return write_data(tmp_path / "data")


def files_of(folder: Path) -> dict[str, str]:
    """Every file of a folder, hidden ones too, and a digest of its content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def merged(export: Path, data: Path, *options: str) -> dict:
    """The content of --json."""
    record = export.parent / "record.json"
    main([str(export), "--merge", str(data), "--json", str(record), *options])
    return json.loads(record.read_text(encoding="utf-8"))


def names_of(data: Path, split: str) -> list[str]:
    return sorted(path.name for path in (data / split / "images").iterdir())


def test_new_images_go_to_train_with_their_labels(data, tmp_path):
    new = {"a.png": scene(5, 0), "b.png": scene(5, 1)}
    before = files_of(data)
    record = merged(write_export(tmp_path / "export", new), data)
    assert record["merged"]["added"] == {"train": 2}
    opened = open_data(str(data)).split("train")
    for name, (image, mask) in new.items():
        sample = opened.read(opened.names.index(name))
        np.testing.assert_array_equal(sample.image, image)
        np.testing.assert_array_equal(sample.target, mask)
    after = files_of(data)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 4


def test_the_same_call_again_changes_nothing(data, tmp_path, capfd):
    export = write_export(tmp_path / "export", {"a.png": scene(5, 0)})
    merged(export, data)
    before = files_of(data)
    record = merged(export, data)
    assert record["merged"]["added"] == {} and record["merged"]["present"] == 1
    assert record["merged"]["relabelled"] == 0
    assert files_of(data) == before
    assert "new images: 0; there already: 1" in capfd.readouterr().err


def test_frames_beside_one_of_val_or_test_go_there(data, tmp_path, capfd):
    """At time 1 the objects have moved a little; the noise is new."""
    new = {
        "v.png": scene(1, 0, time=1),
        "t.png": scene(2, 0, time=1),
        "n.png": scene(0, 0, time=1),
        "x.png": scene(9, 0),
    }
    record = merged(write_export(tmp_path / "export", new), data)
    placed = {s: names_of(data, s) for s in ("train", "val", "test")}
    assert "v.png" in placed["val"] and "t.png" in placed["test"]
    assert {"n.png", "x.png"} <= set(placed["train"])
    assert record["merged"]["moved"] == {"val": 1, "test": 1}
    said = capfd.readouterr().err
    assert "in val, because they look like its images: 1" in said


def test_a_compressed_copy_is_left_out(data, tmp_path, capfd):
    export = write_export(tmp_path / "export", {"new.png": scene(5, 0)})
    image, mask = scene(0, 1)
    write_export(tmp_path / "more", {"copy.png": (image, mask)})
    Image.fromarray(image).save(tmp_path / "more" / "copy.jpg", quality=85)
    text = (tmp_path / "more" / "copy.json").read_text(encoding="utf-8")
    copied = text.replace("copy.png", "copy.jpg")
    (export / "copy.json").write_text(copied, encoding="utf-8")
    shutil.copy(tmp_path / "more" / "copy.jpg", export)
    record = merged(export, data)["merged"]
    assert (record["added"], record["copies"]) == ({"train": 1}, 1)
    assert "left out as copies of images that are there: 1" in capfd.readouterr().err


def test_a_name_that_is_taken_is_changed(data, tmp_path, capfd):
    before = read_raw(data / "train" / "images" / "s0.png")
    export = write_export(tmp_path / "export", {"s0.png": scene(5, 0)})
    record = merged(export, data)
    assert record["merged"]["renamed"] == {"train/s0.png": "s0_2.png"}
    assert "train/s0.png is s0_2.png" in capfd.readouterr().err
    np.testing.assert_array_equal(read_raw(data / "train/images/s0.png"), before)
    found = open_data(str(data)).split("train")
    mask = found.read(found.names.index("s0_2.png")).target
    np.testing.assert_array_equal(mask, scene(5, 0)[1])


def test_other_labels_of_an_image_that_is_there_stay_and_are_said(
    data, tmp_path, capfd
):
    image, mask = scene(0, 0)
    export = write_export(tmp_path / "export", {"s0.png": (image, np.roll(mask, 5, 1))})
    before = files_of(data)
    assert merged(export, data)["merged"]["relabelled"] == 1
    assert files_of(data) == before
    said = capfd.readouterr().err
    assert "already with other labels: 1; their labels stay" in said
    assert "remove these images and run this again: train/s0.png\n" in said


def test_a_folder_that_is_not_there_and_what_comes_next(data, tmp_path, capfd):
    export = write_export(tmp_path / "export", {"a.png": scene(5, 0)})
    with pytest.raises(InputError, match="no such data folder .*; make it with kseg"):
        merged(export, tmp_path / "gone")
    merged(export, data)
    said = capfd.readouterr().err
    assert f"next: kseg train --data {data} --init-from RUN\n" in said


def test_many_names_are_cut():
    assert first_of(["a", "b"]) == "a, b"
    assert first_of(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"


def test_a_new_class_is_refused_and_nothing_is_written(data, tmp_path):
    names = ("disc", "square", "triangle", "ring", "star")
    image, mask = scene(5, 0)
    mask = np.where(mask > 0, 5, 0).astype(np.uint8)
    export = write_export(tmp_path / "export", {"a.png": (image, mask)}, names)
    before = files_of(data)
    with pytest.raises(InputError, match="has the class star, which .* does not have"):
        merged(export, data)
    assert files_of(data) == before


def test_ids_as_the_files_of_the_folder_have_them(tmp_path):
    """Void is listed at position 2, as CamVid has it; files have ids larger by one."""
    named = ["background", "disc", "void", *CLASSES[2:]]
    data = write_data(tmp_path / "data")
    for path in data.glob("*/masks/*.png"):
        mask = read_raw(path)
        Image.fromarray(mask + np.uint8(mask >= 2)).save(path)
    content = {"classes": [{"name": name} for name in named], "ignore_index": 2}
    (data / "classes.json").write_text(json.dumps(content), encoding="utf-8")
    export = write_export(tmp_path / "export", {"a.png": scene(5, 0)})
    merged(export, data)
    stored = np.array(Image.open(data / "train" / "masks" / "a.png"))
    mask = scene(5, 0)[1]
    np.testing.assert_array_equal(stored, mask + np.uint8(mask >= 2))
    found = open_data(str(data)).split("train")
    np.testing.assert_array_equal(found.read(found.names.index("a.png")).target, mask)


def test_classes_without_a_background_get_void_around_the_polygons(tmp_path):
    data = write_data(tmp_path / "data")
    content = {"classes": [{"name": n} for n in ("sky", *CLASSES[1:])]}
    (data / "classes.json").write_text(json.dumps(content), encoding="utf-8")
    export = write_export(tmp_path / "export", {"a.png": scene(5, 0)})
    merged(export, data)
    stored = np.array(Image.open(data / "train" / "masks" / "a.png"))
    mask = scene(5, 0)[1]
    np.testing.assert_array_equal(stored, np.where(mask == 0, 255, mask))


# --- objects ---


def objects_data(tmp_path: Path) -> Path:
    """A data folder of objects with outlines, made by the command itself."""
    data = tmp_path / "data"
    prepare("shapes", str(data), task="instance", count=5)
    return data


def coco_export(folder: Path, count: int) -> Path:
    """Scenes of another seed with their objects, in COCO's format."""
    from kseg.data.formats.writing import coco
    from kseg.data.formats.writing.export import Export
    from kseg.data.formats.writing.objects import Limits, objects_of_instances
    from kseg.data.objects_file import LabelledImage
    from kseg.data.shapes import ObjectShapesSplit
    from tests.kseg.data.formats.writing.test_round_trip import as_instances

    split, images = ObjectShapesSplit(9, count), []
    ids = {index: index for index in range(5)}
    for index in range(count):
        image, target = split.read(index)
        path = folder.parent / f"o{index}.png"
        Image.fromarray(image).save(path)
        found = objects_of_instances(as_instances(target), ids, Limits(0, 0))
        images.append(
            (path, LabelledImage(path.name, scenes.SIZE, tuple(found.objects)))
        )
    folder.mkdir()
    coco.write(folder, Export(CLASSES[1:], scenes.COLORS[1:], images))
    return folder


def test_objects_are_appended(tmp_path):
    data, export = objects_data(tmp_path), coco_export(tmp_path / "export", 2)
    before = json.loads((data / "train" / "objects.json").read_bytes())
    record = merged(export, data)
    assert record["task"] == "instance" and record["merged"]["added"] == {"train": 2}
    after = json.loads((data / "train" / "objects.json").read_bytes())
    assert after["images"][:5] == before["images"]
    assert after["annotations"][: len(before["annotations"])] == before["annotations"]
    assert after["categories"] == before["categories"]
    assert len({entry["id"] for entry in after["annotations"]}) == len(
        after["annotations"]
    )
    opened = open_data(str(data)).split("train")
    assert opened.names[:2] == ["o0.png", "o1.png"]
    given = json.loads((export / "annotations/instances_default.json").read_bytes())
    assert len(opened.read(0).target.boxes) + len(opened.read(1).target.boxes) == len(
        given["annotations"]
    )
    again = merged(export, data)["merged"]
    assert (again["present"], again["relabelled"]) == (2, 0)
    assert json.loads((data / "train" / "objects.json").read_bytes()) == after


def test_an_entry_without_its_image_is_replaced(tmp_path):
    """A merge that was killed between the labels and the images leaves it."""
    data, export = objects_data(tmp_path), coco_export(tmp_path / "export", 2)
    merged(export, data)
    after = files_of(data)
    (data / "train" / "images" / "o0.png").unlink()
    assert merged(export, data)["merged"]["added"] == {"train": 1}
    assert files_of(data).keys() == after.keys()
    content = json.loads((data / "train" / "objects.json").read_bytes())
    names = [entry["file_name"] for entry in content["images"]]
    assert sorted(names) == sorted(set(names)) and len(names) == 7


# --- what is refused ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["DIR"], "DIR is a new folder, and --merge"),
        (["--val-share", "0.3"], "--val-share: has no effect with --merge"),
        (["--seed", "3"], "--seed: has no effect with --merge"),
        (["--proposals"], "--proposals: has no effect with --merge"),
        (["--task", "instance"], "--task instance: .* is labelled for semantic"),
    ],
)
def test_options_that_do_not_fit(options, message, data, tmp_path):
    export = write_export(tmp_path / "export", {"a.png": scene(5, 0)})
    before = files_of(data)
    with pytest.raises(InputError, match=message):
        main([str(export), *options, "--merge", str(data)])
    assert files_of(data) == before


def test_a_folder_that_is_none_or_has_no_val(data, tmp_path):
    export = write_export(tmp_path / "export", {"a.png": scene(5, 0)})
    with pytest.raises(InputError, match="gone"):
        main([str(export), "--merge", str(tmp_path / "gone")])
    with pytest.raises(InputError, match="is no data folder"):
        main([str(export), "--merge", str(tmp_path)])
    shutil.rmtree(data / "val")
    with pytest.raises(InputError, match="has no val split, so that images that look"):
        main([str(export), "--merge", str(data)])
    write_data(data)
    (data / "classes.json").unlink()
    with pytest.raises(InputError, match="has no classes.json"):
        main([str(export), "--merge", str(data)])


def test_maps_of_objects_are_refused(tmp_path):
    data = write_data(tmp_path / "data", task="instance")
    content = {"task": "instance", "classes": [{"name": n} for n in CLASSES[1:]]}
    (data / "classes.json").write_text(json.dumps(content), encoding="utf-8")
    for part in ("train", "val", "test"):
        shutil.copytree(data / part / "masks", data / part / "instances")
    export = write_export(tmp_path / "export", {"a.png": scene(5, 0)})
    with pytest.raises(InputError, match="objects are added to objects.json only"):
        main([str(export), "--merge", str(data)])


def test_an_export_inside_the_folder_leaves_no_trace(data):
    export = write_export(data / "export", {"a.png": scene(5, 0)})
    merged(export, data)
    assert "a.png" in names_of(data, "train")
    assert not [name for name in entries(data) if ".merge" in name]


def test_a_mask_without_its_image_is_replaced(data, tmp_path):
    """A merge that was killed between the labels and the images leaves it."""
    left = data / "train" / "masks" / "a.png"
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(left)
    new = scene(5, 0)
    merged(write_export(tmp_path / "export", {"a.png": new}), data)
    np.testing.assert_array_equal(read_raw_ids(left), new[1])


def read_raw_ids(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


@needs_linux
def test_on_a_full_disk_the_folder_is_as_before(data, tmp_path):
    """No file may be larger than 8 KiB; the image is larger."""
    export = write_export(tmp_path / "export", {"a.png": scene(5, 0)})
    assert (export / "a.png").stat().st_size > 8192
    before = files_of(data)
    words = [sys.executable, "-m", "kseg", "prepare", export, "--merge", data]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 2, done.stderr
    assert "a.png: cannot be" in done.stderr.splitlines()[-1]
    assert files_of(data) == before

"""What a model finds becomes labels that `kseg prepare` reads, equal to its results."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.app.shipped import shipped_model
from edge.core.errors import InputError
from edge.core.images import read_image
from edge.video import scenes
from kseg.api import prepare
from kseg.cli.prelabel import main
from kseg.data.open import open_data
from kseg.evaluation.open import open_predictor

MODEL = shipped_model("shapes")  # finds objects with masks, int8


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    """Two images of scenes, and the lines of `kseg live --capture` beside them."""
    folder = tmp_path_factory.mktemp("frames")
    for index in range(2):
        image = scenes.scene(7, index)[0]
        Image.fromarray(image).save(folder / f"f{index}.png")
    (folder / "captured.jsonl").write_text("{}\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ("coco", "cvat", "labelme", "yolo"))
def test_the_objects_come_back_in_each_format(name, frames, tmp_path, capsys):
    out, data = tmp_path / "out", tmp_path / "data"
    main([str(MODEL), str(frames), "--format", name, "--output", str(out)])
    prepare(str(out), str(data), task="instance")
    opened, predictor = open_data(str(data)), open_predictor(MODEL)
    for split in opened.splits.values():
        for index, image in enumerate(split.names):
            target = split.read(index).target
            result = predictor.predict(read_image(frames / image))
            least = 2e-4 * 128 * 128
            areas = [mask.sum() for _, _, mask in result.masks()]
            kept = [k for k, area in enumerate(areas) if area >= least]
            assert len(target.boxes) == len(kept)
            overlaps = [best_overlap(target, result[k], 128) for k in kept]
            assert np.mean(overlaps) > 0.9


def best_overlap(target, one, side: int) -> float:
    """The largest intersection over union of an object with one that was read."""
    ((rows, columns, mask),) = one.masks()
    whole = np.zeros((side, side), bool)
    whole[rows, columns] = mask
    best = 0.0
    for box, part in zip(target.boxes.astype(int), target.masks, strict=True):
        other = np.zeros((side, side), bool)
        other[box[1] : box[1] + part.shape[0], box[0] : box[0] + part.shape[1]] = part
        best = max(best, (whole & other).sum() / (whole | other).sum())
    return best


@pytest.mark.slow
def test_masks_of_a_run_come_back(trained, tmp_path):
    """Without tolerance and least area they are the labels of the model."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(2):
        Image.fromarray(scenes.scene(7, index, (64, 80))[0]).save(
            frames / f"{index}.png"
        )
    out, data = tmp_path / "out", tmp_path / "data"
    options = ["--tolerance", "0", "--least-area", "0", "--output", str(out)]
    main([str(trained), str(frames), *options])
    predictor = open_predictor(trained / "model.keras")
    results = {
        path.name: predictor.predict(read_image(path)).labels
        for path in frames.glob("*.png")
    }
    if all(not labels.any() for labels in results.values()):
        pytest.skip("the network of two epochs sees background alone")
    prepare(str(out), str(data), task="semantic")
    for split in open_data(str(data)).splits.values():
        for index, name in enumerate(split.names):
            np.testing.assert_array_equal(split.read(index).target, results[name])


def test_the_record_counts_what_was_written(frames, tmp_path, capsys):
    out = tmp_path / "out"
    main([str(MODEL), str(frames), "--output", str(out), "--json", "-"])
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert (record["format"], record["task"], record["images"]) == (
        *("coco", "instance"),
        2,
    )
    assert list(record["objects"]) == list(scenes.CLASSES[1:])
    assert record["points"] >= 3 * sum(record["objects"].values()) > 0
    assert "kseg prepare EXPORT --task instance --merge DATA" in said.err


def test_labelme_corrects_in_place(frames, tmp_path, capsys):
    out = tmp_path / "out"
    main([str(MODEL), str(frames), "--output", str(out), "--format", "labelme"])
    said = capsys.readouterr().err
    assert f"there, then: kseg prepare {out} --task instance --merge DATA" in said


def test_a_larger_tolerance_needs_fewer_points(frames, tmp_path, capsys):
    points = []
    for tolerance in ("0.5", "3"):
        out = ["--output", str(tmp_path / tolerance), "--json", "-"]
        main([str(MODEL), str(frames), "--tolerance", tolerance, *out])
        points.append(json.loads(capsys.readouterr().out)["points"])
    assert points[0] > 2 * points[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grouping:color", "FRAMES"], "grouping:color: a grouping gives segments"),
        (["MODEL", "gone"], "gone: no such folder; give a folder of images"),
        (["MODEL", "FRAMES", "--output", "FRAMES"], "already exists"),
        (["MODEL", "FRAMES", "--format", "via"], "invalid choice: 'via'"),
        (["MODEL", "FRAMES", "--tolerance", "-1"], "--tolerance"),
        (["MODEL", "EMPTY"], "the folder contains no images"),
        (["gone.tflite", "FRAMES"], "gone.tflite"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(words, message, frames, tmp_path):
    places = {"MODEL": str(MODEL), "FRAMES": str(frames), "EMPTY": str(tmp_path)}
    out = tmp_path / "out"
    given = [places.get(word, word) for word in words]
    given += [] if "--output" in words else ["--output", str(out)]
    with pytest.raises(InputError) as caught:
        main(given)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not out.exists() and not list(tmp_path.glob(".*"))


def test_two_images_of_one_name_are_refused(frames, tmp_path):
    """Their files of labels would have the same name."""
    for suffix in ("png", "jpg"):
        Image.fromarray(scenes.scene(7, 0)[0]).save(tmp_path / f"a.{suffix}")
    with pytest.raises(InputError, match="both results would be named"):
        main([str(MODEL), str(tmp_path), "--output", str(tmp_path / "out")])

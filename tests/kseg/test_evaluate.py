import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import shapes
from edge.command import BadInput
from edge.images import read_image
from edge.overlay import blend
from edge.segmenter import Segmenter
from kseg import pictures
from kseg.data import open_data
from kseg.evaluate import evaluate_split, main
from kseg.grouping import GROUPINGS, name_by_majority
from kseg.runs import open_segmenter


def test_a_run_evaluates_to_what_training_reported(trained, tmp_path):
    main([str(trained), "--json", str(tmp_path / "m.json")])
    reported = json.loads((trained / "metrics.json").read_text())
    assert json.loads((tmp_path / "m.json").read_text()) == reported


def test_json_to_stdout_is_all_of_stdout(trained, capsys):
    main([str(trained), "--split", "train", "--json", "-"])
    assert json.loads(capsys.readouterr().out)["images"] == 16


def test_a_tflite_file_is_evaluated_by_the_same_measure(exported, capsys, tmp_path):
    """The confusion matrix counted here pixel by pixel, from the files themselves."""
    main([str(exported / "int8.tflite"), "--json", "-", "--output", str(tmp_path)])
    metrics = json.loads(capsys.readouterr().out)
    data = open_data(
        str(json.loads((exported / "config.json").read_text())["data"]["name"])
    )
    segmenter = open_segmenter(exported / "int8.tflite")
    hits = np.zeros(6)
    union = np.zeros(6)
    for index in range(4):
        image, mask = data.split("val").read(index)
        labels = segmenter.predict(image)
        for c in range(6):
            hits[c] += ((mask == c) & (labels == c)).sum()
            union[c] += ((mask == c) | (labels == c)).sum()
    iou = hits[union > 0] / union[union > 0]
    assert metrics["mean_iou"] == pytest.approx(iou.mean())
    assert (tmp_path / "samples.png").exists() and (tmp_path / "confusion.png").exists()


def test_parity_and_evaluate_agree(exported, capsys):
    main([str(exported / "int8.tflite"), "--json", "-"])
    metrics = json.loads(capsys.readouterr().out)
    parity = json.loads((exported / "parity.json").read_text())
    assert metrics["mean_iou"] == pytest.approx(parity["int8"]["mean_iou"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no/model"], "no such run folder or model file"),
        (["{run}", "--split", "test"], "has no split 'test'; it has train, val"),
        (["{run}", "--data", "no/data"], "no such data folder"),
    ],
)
def test_bad_use_names_the_value(trained, arguments, complaint):
    with pytest.raises(BadInput, match=complaint):
        main([argument.format(run=trained) for argument in arguments])


def test_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "x.keras"
    path.write_bytes(b"no zip")
    with pytest.raises(BadInput, match="x.keras: is no Keras model, or ends early"):
        main([str(path), "--data", "shapes"])


def test_data_of_other_classes_are_refused(trained, tmp_path, data_folder):
    other = tmp_path / "other"
    other.mkdir()
    (other / "train").symlink_to(data_folder / "train")
    (other / "val").symlink_to(data_folder / "val")
    with pytest.raises(BadInput, match="knows the classes background, disc"):
        main([str(trained), "--data", str(other)])


def test_a_picture_below_the_minimum_is_named(trained):
    data = open_data("shapes")
    segmenter = open_segmenter(trained / "model.keras")

    class Small:
        names, sizes = ["tiny"], [(8, 8)]

        def read(self, index):
            return np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)

    with pytest.raises(BadInput, match="tiny: .*minimum of 16x16"):
        evaluate_split(segmenter, Small(), data.names)


def test_a_damaged_model_is_one_line(trained, tmp_path):
    """Its zip is whole, its weights are not: the checksum tells."""
    content = bytearray((trained / "model.keras").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path = tmp_path / "x.keras"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="x.keras: is no model that Keras can load"):
        main([str(path), "--data", "shapes"])


# --- groupings ---


@pytest.mark.parametrize("kind", GROUPINGS)
def test_a_grouping_is_measured_by_its_best_names(kind, data_folder, capsys, tmp_path):
    """Counted here pixel by pixel: each segment is its most frequent class."""
    arguments = ["--name-by-truth", "--segments", "20", "--output", str(tmp_path)]
    main([f"grouping:{kind}", "--data", str(data_folder), *arguments, "--json", "-"])
    metrics = json.loads(capsys.readouterr().out)
    hits = pixels = 0
    split = open_data(str(data_folder)).split("val")
    for index in range(4):
        image, mask = split.read(index)
        segments = GROUPINGS[kind](image, 20)
        for segment in np.unique(segments):
            hits += np.bincount(mask[segments == segment]).max()
        pixels += mask.size
    assert metrics["pixels"] == pixels
    assert metrics["pixel_accuracy"] == pytest.approx(hits / pixels)
    assert set(metrics["per_class_iou"]) == set(shapes.CLASSES)
    assert (tmp_path / "confusion.png").exists()


def test_the_sheet_shows_the_named_labels(data_folder, tmp_path):
    """Where truth and prediction agree, both columns show the class's colour."""
    arguments = ["--name-by-truth", "--output", str(tmp_path)]
    main(["grouping:color", "--data", str(data_folder), *arguments])
    data = open_data(str(data_folder))
    split, (height, width) = data.split("val"), (240, 300)  # of an enlarged 64x80
    segmenter = Segmenter(open_segmenter(Path("grouping:color")).engine, data.info)
    image, mask = split.read(0)
    labels = name_by_majority(segmenter.predict(image), mask, 6)
    view = blend(image, labels, data.info, opacity=0.6)
    left = 2 * (width + pictures.GAP)
    sheet = read_image(tmp_path / "samples.png")[30:, left : left + width][:height]
    expected = cv2.resize(view, (width, height), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(sheet, expected)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["grouping:color", "--data", "shapes"], "no class names .* --name-by-truth"),
        (["grouping:color", "--name-by-truth"], "trained on no data; say which"),
        (["grouping:hue", "--name-by-truth"], "grouping:color, grouping:edges"),
        (["grouping:color", "--segments", "255"], "--segments 255: .* 2 to 254"),
        (["grouping:color", "--segments", "many"], "'many' is no whole number"),
        (["{run}", "--name-by-truth"], "--name-by-truth: .* names its own classes"),
        (["{run}", "--segments", "9"], "--segments is for grouping:KIND, not for"),
    ],
)
def test_groupings_and_networks_are_not_confused(trained, arguments, complaint):
    with pytest.raises(BadInput, match=complaint) as refusal:
        main([argument.format(run=trained) for argument in arguments])
    assert "\n" not in str(refusal.value) and refusal.value.status == 2

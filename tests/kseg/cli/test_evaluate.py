import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from edge.core.images import read_image, write_mask
from edge.display.colors import color_table
from edge.predict.results import SemanticMap
from edge.predict.semantic import SemanticPredictor
from edge.predict.tta import TTA
from edge.video import scenes
from kseg.cli.evaluate import main
from kseg.cli.tables import iou_table
from kseg.data.open import open_data
from kseg.data.sample import Sample
from kseg.evaluation.grouping import GROUPINGS, label_by_majority
from kseg.evaluation.loop import evaluate
from kseg.evaluation.open import open_predictor
from kseg.evaluation.semantic import SemanticEvaluator
from kseg.evaluation.temperature import record_in
from kseg.reporting.figures import GAP
from tests.support.posix import needs_posix


def test_a_run_evaluates_to_what_training_reported(trained, tmp_path):
    main([str(trained), "--json", str(tmp_path / "m.json")])
    reported = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8")) == reported


def test_json_to_stdout_is_all_of_stdout(trained, capsys):
    main([str(trained), "--split", "train", "--json", "-"])
    assert json.loads(capsys.readouterr().out)["images"] == 16


def test_the_error_of_another_split_is_with_the_stored_temperature(trained, capsys):
    main([str(trained), "--split", "train", "--json", "-"])
    found = json.loads(capsys.readouterr().out)
    reported = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert found["temperature"] == reported["temperature"]
    assert 0 < found["expected_calibration_error"] < 1
    assert "calibration_error_after" not in found  # that of val
    main([str(trained)])
    table = capsys.readouterr().out
    for title, key in (
        ("calibration error (ECE)", "expected_calibration_error"),
        ("temperature of the confidence", "temperature"),
        ("ECE of half of val, without temperature", "calibration_error_before"),
        ("the same, with that of the other half", "calibration_error_after"),
    ):
        (row,) = (line for line in table.splitlines() if line.startswith(title))
        assert row.split()[-1] == f"{reported[key]:.4f}"


def test_a_tflite_file_is_evaluated_by_the_same_measure(exported, capsys, tmp_path):
    """The confusion matrix counted here pixel by pixel, from the files themselves."""
    main([str(exported / "int8.tflite"), "--json", "-", "--output", str(tmp_path)])
    metrics = json.loads(capsys.readouterr().out)
    data = open_data(
        str(
            json.loads((exported / "config.json").read_text(encoding="utf-8"))["data"][
                "name"
            ]
        )
    )
    predictor = open_predictor(exported / "int8.tflite")
    hits = np.zeros(6)
    union = np.zeros(6)
    for index in range(4):
        image, mask = data.split("val").read(index)
        labels = predictor.predict(image).labels
        for c in range(6):
            hits[c] += ((mask == c) & (labels == c)).sum()
            union[c] += ((mask == c) | (labels == c)).sum()
    iou = hits[union > 0] / union[union > 0]
    assert metrics["mean_iou"] == pytest.approx(iou.mean())
    assert (tmp_path / "samples.png").exists() and (tmp_path / "confusion.png").exists()


def test_parity_and_evaluate_agree(exported, capsys):
    main([str(exported / "int8.tflite"), "--json", "-"])
    metrics = json.loads(capsys.readouterr().out)
    parity = json.loads((exported / "parity.json").read_text(encoding="utf-8"))
    assert metrics["mean_iou"] == pytest.approx(parity["int8"]["mean_iou"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no/model"], "no such run folder or model file"),
        (["{run}", "--split", "test"], "no split 'test'; the splits are train, val"),
        (["{run}", "--data", "no/data"], "no such data folder"),
    ],
)
def test_bad_use_names_the_value(trained, arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        main([argument.format(run=trained) for argument in arguments])


def test_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "x.keras"
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match="x.keras: not a Keras model, or truncated"):
        main([str(path), "--data", "shapes"])


@needs_posix
def test_data_of_other_classes_are_refused(trained, tmp_path, data_folder):
    other = tmp_path / "other"
    other.mkdir()
    (other / "train").symlink_to(data_folder / "train")
    (other / "val").symlink_to(data_folder / "val")
    with pytest.raises(InputError, match="has the classes background, disc"):
        main([str(trained), "--data", str(other)])


def test_a_picture_below_the_minimum_is_named(trained):
    data = open_data("shapes")
    predictor = open_predictor(trained / "model.keras")

    class Small:
        names, sizes = ["tiny"], [(8, 8)]

        def read(self, index):
            return Sample(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))

    with pytest.raises(InputError, match="tiny: .*minimum of 16x16"):
        evaluate(predictor, Small(), SemanticEvaluator(data.class_names))


def test_a_damaged_model_is_one_line(trained, tmp_path):
    """Its zip archive is complete, its weights are not: the checksum differs."""
    content = bytearray((trained / "model.keras").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path = tmp_path / "x.keras"
    path.write_bytes(content)
    with pytest.raises(InputError, match="x.keras: Keras cannot load this model"):
        main([str(path), "--data", "shapes"])


# --- beside mean IoU ---


# Of 60x80 the diagonal is 100, so that 2 pixels from an outline are near it.
def halves(left) -> np.ndarray:
    """Class 0 as far as column `left`, then class 1."""
    ids = np.zeros((60, 80), np.uint8)
    ids[:, left:] = 1
    return ids


def figures_of(*pairs):
    """Of (mask, labels), everything being half sure."""
    evaluation = SemanticEvaluator(("a", "b", "c"))
    for mask, labels in pairs:
        half_sure = np.full(mask.shape, 0.5, np.float32)
        evaluation.add(mask, SemanticMap(labels, half_sure))
    return evaluation.metrics()


def test_the_figures_of_two_pictures_by_hand():
    # Of the first all is right. Of the second 60 pixels are called 1 where 0 is true,
    # and half of what is 1 is void.
    second = halves(41)
    second[30:, 41:] = 255
    figures = figures_of((halves(40), halves(40)), (second, halves(40)))
    assert figures["images"] == 2
    assert figures["pixels"] == 4800 + 4800 - 30 * 39
    one, other = 40 * 60, 39 * 30
    iou = [(one + one) / (one + 41 * 60), (one + other) / (one + other + 60)]
    assert figures["mean_iou"] == pytest.approx(sum(iou) / 2)
    per_image = [40 / 41, other / (other + 60)]
    assert figures["mean_iou_per_image"] == pytest.approx((1 + sum(per_image) / 2) / 2)
    assert figures["component_ap50"] == 1
    assert figures["per_class_component_ap50"] == {"a": 1, "b": 1, "c": None}
    assert figures["per_class_boundary_iou"]["c"] is None


def test_boundaries_of_all_pictures_are_counted_together():
    # Off by one, one of three columns is near both outlines: (2 + 1) / (2 + 3).
    figures = figures_of((halves(40), halves(40)), (halves(40), halves(41)))
    assert figures["boundary_iou"] == pytest.approx(3 / 5)
    assert figures["boundary_distance_of_diagonal"] == 0.02
    assert figures["per_class_boundary_iou"] == {"a": 3 / 5, "b": 3 / 5, "c": None}


def test_a_picture_of_void_alone_is_in_no_mean():
    void = np.full((60, 80), 255, np.uint8)
    figures = figures_of((halves(40), halves(40)), (void, halves(40)))
    assert figures["mean_iou_per_image"] == 1
    figures = figures_of((void, halves(40)))
    assert figures["mean_iou"] is figures["mean_iou_per_image"] is None
    assert figures["boundary_iou"] is figures["component_ap50"] is None
    assert "-" in iou_table(figures)


def test_the_table_names_each_figure_for_what_it_is():
    table = iou_table(figures_of((halves(40), halves(41))))
    head, *rows = table.splitlines()
    assert head.split("  ")[0] == "class"
    assert [name for name in ("IoU", "boundary IoU", "component AP50") if name in head]
    shown = {row.split("  ")[0]: row.split()[-1] for row in rows if row.strip()}
    assert shown["mean IoU"] == "0.9753"  # 40 / 41 and 39 / 40, by the columns
    assert shown["mean boundary IoU"] == "0.3333"
    assert shown["mean over images of their mean IoU"] == "0.9753"
    assert shown["mean component AP50"] == "1.0000"


def test_labels_alone_have_no_ap(exported, capsys):
    main([str(exported / "int8.tflite"), "--json", "-"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["component_ap50"] is None
    assert figures["expected_calibration_error"] is None
    assert "temperature" not in figures
    assert 0 <= figures["boundary_iou"] <= 1


# --- passes ---


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        (["--full-size"], TTA(full_size=True)),
        (
            ["--tile", "32x48", "--flip", "--scales", "0.5,1"],
            TTA(tile=(32, 48), flip=True, scales=(0.5, 1.0)),
        ),
    ],
)
def test_options_are_passes(trained, options, passes, capsys):
    main([str(trained), *options, "--json", "-"])
    found = json.loads(capsys.readouterr().out)
    data = open_data(
        str(
            json.loads((trained / "config.json").read_text(encoding="utf-8"))["data"][
                "name"
            ]
        )
    )
    predictor = open_predictor(trained / "model.keras", tta=passes)
    assert predictor.tta == passes
    evaluator = SemanticEvaluator(data.class_names)
    expected = evaluate(predictor, data.split("val"), evaluator).metrics()
    assert found == expected | record_in(predictor.info)
    plain = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    # Pictures of 64x80 are at full size and one tile by default.
    assert (found == plain) == (options == ["--full-size"])


def test_a_labels_file_goes_in_tiles_of_its_size(exported, tmp_path, capsys):
    """Pictures twice as high and wide as the file's input of 64x80."""
    for index in range(2):
        for kind, array in zip(
            ("images", "masks"), scenes.scene(5, index, (128, 160)), strict=True
        ):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / kind / f"{index}.png")
    classes = {"classes": [{"name": name} for name in scenes.CLASSES]}
    (tmp_path / "classes.json").write_text(json.dumps(classes), encoding="utf-8")
    arguments = [str(exported / "float32.tflite"), "--data", str(tmp_path)]
    main([*arguments, "--full-size", "--json", "-"])
    tiled = json.loads(capsys.readouterr().out)
    data = open_data(str(tmp_path), seed=0)
    predictor = open_predictor(
        exported / "model.keras", tta=TTA(tile=(64, 80), full_size=True)
    )
    evaluator = SemanticEvaluator(data.class_names)
    expected = evaluate(predictor, data.split("val"), evaluator).metrics()
    # Tiles of fixed size end at the picture's end, not whole cells apart.
    assert tiled["mean_iou"] == pytest.approx(expected["mean_iou"], abs=0.05)
    main([*arguments, "--json", "-"])
    assert json.loads(capsys.readouterr().out) != tiled  # shrunk to a quarter


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["{run}", "--scales", "1,0"],
            "--scales: 0 is not a scale over 0",
        ),
        (["{run}", "--scales", "8"], "--scales: 8 is not a scale over 0 and at most 4"),
        (["{run}", "--scales", "1,x"], "--scales: 'x' is not a number of at least 0"),
        (["{run}", "--scales", ""], "--scales: '' is not a number of at least 0"),
        (["{run}", "--tile", "big"], "--tile: 'big' is not a size"),
        (["{run}", "--tile", "8x64"], "--tile 8x64: .* at least 32x32"),
        (["{run}", "--scales", "0.1"], "s0.png: --scales 0.1: .* of 6x8 is smaller"),
        (
            ["{run}/int8.tflite", "--flip"],
            "outputs labels only; export .* --head logits",
        ),
        (["{run}/int8.tflite", "--scales", "1,2"], "outputs labels only"),
        (["{run}/int8.tflite", "--tile", "32x32"], "accepts only 64x80; leave it out"),
        (
            ["grouping:color", "--data", "shapes", "--name-by-truth", "--full-size"],
            "--full-size, --tile, --flip and --scales apply to networks",
        ),
    ],
)
def test_passes_that_cannot_be_are_one_line(exported, arguments, complaint):
    with pytest.raises(InputError, match=complaint) as refusal:
        main([argument.format(run=exported) for argument in arguments])
    assert "\n" not in str(refusal.value) and refusal.value.status == 2


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
    assert set(metrics["per_class_iou"]) == set(scenes.CLASSES)
    assert (tmp_path / "confusion.png").exists()


def test_the_sheet_shows_the_named_labels(data_folder, tmp_path):
    """Where truth and prediction agree, both columns show the class's colour."""
    arguments = ["--name-by-truth", "--output", str(tmp_path)]
    main(["grouping:color", "--data", str(data_folder), *arguments])
    data = open_data(str(data_folder))
    split, (height, width) = data.split("val"), (240, 300)  # of an enlarged 64x80
    predictor = SemanticPredictor(
        open_predictor(Path("grouping:color")).engine, data.info
    )
    image, mask = split.read(0)
    labels = label_by_majority(predictor.predict(image).labels, mask, 6)
    view = color_table(data.info)[labels]
    left = 2 * (width + GAP)
    sheet = read_image(tmp_path / "samples.png")[30:, left : left + width][:height]
    expected = cv2.resize(view, (width, height), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(sheet, expected)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["grouping:color", "--data", "shapes"], "no class names; add --name-by-truth"),
        (["grouping:color", "--name-by-truth"], "was not trained on data; add --data"),
        (["grouping:hue", "--name-by-truth"], "grouping:color, grouping:edges"),
        (["grouping:color", "--segments", "255"], "--segments 255: .* 2 to 254"),
        (["grouping:color", "--segments", "many"], "'many' is not an integer"),
        (["{run}", "--name-by-truth"], "--name-by-truth: .* predicts classes itself"),
        (["{run}", "--segments", "9"], "--segments: applies to grouping:KIND only"),
    ],
)
def test_groupings_and_networks_are_not_confused(trained, arguments, complaint):
    with pytest.raises(InputError, match=complaint) as refusal:
        main([argument.format(run=trained) for argument in arguments])
    assert "\n" not in str(refusal.value) and refusal.value.status == 2


def test_a_seed_without_a_random_split_is_refused(trained):
    with pytest.raises(InputError, match="^--seed: has no effect: .* own val split"):
        main([str(trained), "--seed", "1"])


# --- other folders than that of training ---


def test_a_test_split_alone_is_measured(trained, data_folder, tmp_path, capsys):
    data = tmp_path / "my data"
    shutil.copytree(data_folder / "val", data / "test")
    shutil.copy(data_folder / "classes.json", data)
    main([str(trained), "--data", str(data), "--split", "test", "--json", "-"])
    reported = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    for name in ("calibration_error_before", "calibration_error_after"):
        del reported[name]  # only of the split that the temperature was fitted on
    assert json.loads(capsys.readouterr().out) == reported
    with pytest.raises(InputError, match="no split 'val'; the only split is test"):
        main([str(trained), "--data", str(data)])


def test_a_split_of_void_alone_has_no_metrics(trained, data_folder, tmp_path):
    shutil.copytree(data_folder / "val", tmp_path / "test")
    shutil.copy(data_folder / "classes.json", tmp_path)
    for path in (tmp_path / "test/masks").iterdir():
        write_mask(path, np.full(read_image(path, 1).shape[:2], 255, np.uint8))
    with pytest.raises(InputError, match="split test: no pixel is labelled: all masks"):
        main([str(trained), "--data", str(tmp_path), "--split", "test"])

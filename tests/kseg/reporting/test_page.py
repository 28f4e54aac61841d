"""The report: its content as a file, and its display in a browser."""

import base64
import json
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import InputError
from edge.predict.semantic import SemanticPredictor
from kseg.cli.report import main
from kseg.data.open import open_data
from kseg.data.sample import Sample
from kseg.deploy.heads import HEADS
from kseg.evaluation.open import open_predictor
from kseg.models.keras_engine import KerasEngine
from kseg.models.saving import load_model
from kseg.reporting.embedded import WRONG, error_map, views
from kseg.reporting.page import evaluate_split, write_page
from kseg.reporting.semantic import best_and_worst, largest_errors
from tests.support.browser import requested_urls
from tests.support.engines import labels_and_confidence

LABELS = HEADS["semantic"]["labels"]
MARKUP_NAME = "$a_$ <img src=http://example.org/x.png onerror=alert(1)> & \"'{{ 1 }}"


@pytest.fixture(scope="module")
def data(data_folder):
    return open_data(str(data_folder))


@pytest.fixture(scope="module")
def predictor(trained):
    return open_predictor(trained / "model.keras")


@pytest.fixture(scope="module")
def evaluation(predictor, data):
    return evaluate_split(predictor, data, "val")


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of a run folder to write into."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    return folder


def text_of(path: Path) -> str:
    """The visible text, approximately: without styles, tags and images."""
    page = re.sub(
        r"(?s)<style>.*?</style>|<[^>]*>", " ", path.read_text(encoding="utf-8")
    )
    return re.sub(r"\s+", " ", unescape(page))


# --- one pass ---


def test_one_pass_collects_the_values_of_a_plain_loop(evaluation, predictor, data):
    split, confidence_sum, correct, ious = data.split("val"), 0.0, 0, []
    for index in range(4):
        image, mask = split.read(index)
        labels, confidence = labels_and_confidence(predictor, image)
        hits = [((mask == c) & (labels == c)).sum() for c in range(6)]
        union = [((mask == c) | (labels == c)).sum() for c in range(6)]
        ious.append(np.mean([h / u for h, u in zip(hits, union, strict=True) if u]))
        confidence_sum, correct = (
            confidence_sum + confidence.sum(),
            correct + (mask == labels).sum(),
        )
        if index in evaluation.labels:
            np.testing.assert_array_equal(evaluation.labels[index], labels)
    assert evaluation.ious == pytest.approx(ious)
    pixels = 4 * 64 * 80
    totals = evaluation.evaluator.calibration.sum(0)
    assert totals == pytest.approx([pixels, correct, confidence_sum], rel=1e-5)
    assert evaluation.metrics["pixel_accuracy"] == pytest.approx(correct / pixels)


class Counted:
    """A split that counts how often each image is read; masks of `void` are void."""

    def __init__(self, split, void=()):
        self.split, self.void = split, void
        self.names, self.sizes, self.files = split.names, split.sizes, split.files
        self.times = dict.fromkeys(range(len(split.names)), 0)

    def read(self, index):
        self.times[index] += 1
        image, mask = self.split.read(index)
        if index in self.void:
            mask = np.full_like(mask, IGNORE_INDEX)
        return Sample(image, mask)


def test_every_image_is_read_once_and_few_predictions_are_kept(predictor, data):
    split = Counted(data.split("train"))
    found = evaluate_split(predictor, replace(data, splits={"train": split}), "train")
    assert set(split.times.values()) == {1}
    assert len(found.labels) == 6
    best, worst = best_and_worst(found.ious)
    assert sorted(found.labels) == sorted(best + worst)
    assert [found.ious[i] for i in best] == sorted(found.ious, reverse=True)[:3]
    assert [found.ious[i] for i in worst] == sorted(found.ious)[:3]


@pytest.mark.parametrize(
    ("ious", "best", "worst"),
    [
        ([0.5], [0], []),
        ([0.5, 0.2, 0.3], [0], [1]),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [6, 5, 4], [0, 1, 2]),
        ([np.nan, 0.2, 0.9], [2], [1]),
        ([np.nan], [], []),
    ],
)
def test_no_image_is_both_best_and_worst(ious, best, worst):
    assert best_and_worst(ious) == (best, worst)


def test_images_without_labelled_pixels_are_not_ranked(
    predictor, data, trained, tmp_path
):
    split = Counted(data.split("val"), void=(0, 1, 2, 3))
    found = evaluate_split(predictor, replace(data, splits={"val": split}), "val")
    assert np.isnan(found.ious).all() and found.evaluator.calibration_error is None
    assert found.all_metrics()["per_picture_iou"]["s0.png"] is None
    write_page(tmp_path / "r.html", trained, found)
    text = text_of(tmp_path / "r.html")
    assert "No image has a labelled pixel" in text
    assert "no pixel is labelled" in text and "nan" not in text


# --- the page as a file ---


def test_training_writes_the_report(trained):
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    page = (trained / "report.html").read_text(encoding="utf-8")
    text = text_of(trained / "report.html")
    assert f"{metrics['mean_iou']:.3f} mean IoU on val" in text
    for name, value in metrics["per_class_iou"].items():
        assert f" {name} {value:.4f} " in text
    # The command, the versions, the machine, the data and the time.
    record = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    data = record["config"]["data"]
    assert f"kseg train --data {data} --task semantic --width 4" in text
    assert f"keras {record['versions']['keras']}" in text
    assert record["machine"]["processor"] in text
    assert record["data"]["fingerprint"] in text
    assert f"{record['parameters']:,}" in text and "Epochs 2 of 2" in text
    # The page loads nothing and runs nothing.
    assert "<script" not in page
    sources = re.findall(r'(?:src|srcset|href)="([^"]*)"', page)
    assert sources and all(source.startswith("data:image/") for source in sources)


@pytest.mark.slow
def test_the_report_is_written_again_for_moved_data(run, data_folder, tmp_path):
    shutil.copytree(data_folder, tmp_path / "moved")
    (run / "report.html").unlink()
    figures, page = tmp_path / "f.json", tmp_path / "page.html"
    arguments = ["--data", str(tmp_path / "moved"), "--json", str(figures)]
    main([str(run), *arguments])
    assert "changed since training" not in text_of(run / "report.html")
    found = json.loads(figures.read_text(encoding="utf-8"))
    reported = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert {name: found[name] for name in reported} == reported
    assert list(found["per_picture_iou"]) == [f"s{i}.png" for i in range(4)]
    assert 0 < found["expected_calibration_error"] < 1

    main([str(run), *arguments, "--split", "train", "--output", str(page)])
    assert "mean IoU on train" in text_of(page) and "16 images" in text_of(page)

    # The page says that an image has changed.
    (tmp_path / "moved/val/images/s0.png").write_bytes(
        (tmp_path / "moved/val/images/s1.png").read_bytes()
    )
    main([str(run), "--data", str(tmp_path / "moved"), "--output", str(page)])
    assert "The data have changed since training" in text_of(page)


def test_the_report_shows_the_calibration(run):
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    page = " ".join(text_of(run / "report.html").split())
    before, after = (metrics[f"calibration_error_{x}"] for x in ("before", "after"))
    assert f"the temperature {metrics['temperature']:.3f}, fitted on" in page
    assert f"second half is {after:.4f}; without one it is {before:.4f}." in page


def test_the_report_of_an_older_run_has_no_temperature(predictor, data, run):
    old = predictor.with_decoder({"temperature": 1.0})
    old.info = replace(old.info, decoder={})
    found = evaluate_split(old, data, "val")
    write_page(run / "report.html", run, found)
    page = text_of(run / "report.html")
    assert (
        "temperature of the confidence" not in page
        and "expected calibration error" in page
    )


def test_names_of_users_are_escaped(predictor, data, run, tmp_path):
    """A class name with markup and a folder name with quotes are shown as text."""
    named = replace(
        data, name=MARKUP_NAME, class_names=(MARKUP_NAME, *data.class_names[1:])
    )
    folder = run.rename(tmp_path / 'run "<b>"')
    write_page(folder / "r.html", folder, evaluate_split(predictor, named, "val"))
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "<img src=http" not in page and "<b>&#34;" not in page
    assert text_of(folder / "r.html").count(MARKUP_NAME) >= 3  # headline, legend, table


def test_a_network_that_returns_labels_has_no_confidence(trained, data, tmp_path):
    model = load_model(trained / "model.keras")
    found = evaluate_split(
        SemanticPredictor(KerasEngine(model, head=LABELS), data.info), data, "val"
    )
    assert found.evaluator.calibration is None
    assert "temperature" not in found.metrics
    write_page(tmp_path / "r.html", trained, found)
    assert "gives labels without a confidence" in text_of(tmp_path / "r.html")


def test_a_run_interrupted_in_its_first_epoch_has_no_curves(run):
    (run / "history.csv").unlink()
    main([str(run)])
    assert "There are no curves: training was int" in text_of(run / "report.html")


def test_the_report_of_an_older_run_leaves_unknown_values_out(run):
    """Its config.json has no fingerprint, machine or number of parameters."""
    path = run / "config.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["machine"], record["parameters"], record["data"]["fingerprint"]
    path.write_text(json.dumps(record), encoding="utf-8")
    main([str(run)])
    text = text_of(run / "report.html")
    assert "Parameters" not in text and "None" not in text.partition("All options")[0]


@pytest.mark.parametrize(
    ("damaged", "arguments", "message"),
    [
        ("", ["no/run"], "no/run: no such run folder"),
        ("", ["{run}/model.keras"], "model.keras: no such run folder"),
        ("", ["{run}", "--data", "no/data"], "no/data: no such data folder"),
        (
            "",
            ["{run}", "--split", "test"],
            "no split 'test'; the splits are train, val",
        ),
        (
            "",
            ["{run}", "--output", "no/folder/r.html"],
            "no/folder does not exist; create it",
        ),
        ("", ["{run}", "--output", "{run}"], "is a folder; give the name of a file"),
        ("history.csv", ["{run}"], "history.csv: is damaged .*train again"),
        ("model.keras", ["{run}"], "model.keras: not a Keras model"),
        ("config.json", ["{run}"], "config.json: is damaged"),
    ],
)
def test_errors_are_one_line(run, damaged, arguments, message):
    if damaged:
        (run / damaged).write_text("epoch,seconds\n1,x\n", encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        main([argument.format(run=run) for argument in arguments])
    assert "\n" not in str(caught.value)


def test_the_error_for_missing_data_names_the_option(run, data_folder, tmp_path):
    path = run / "config.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace(
            str(data_folder), str(tmp_path / "gone")
        ),
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="folder not found, .* with --data"):
        main([str(run)])


def test_the_error_for_an_unwritable_page_names_the_option(
    trained, evaluation, tmp_path
):
    (tmp_path / "r.html").mkdir()
    with pytest.raises(
        InputError, match="r.html: cannot be written .*give the name of a file"
    ):
        write_page(tmp_path / "r.html", trained, evaluation)


# --- images and errors ---


def decoded(uri: str) -> np.ndarray:
    content = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_views_show_ground_truth_prediction_and_errors(data):
    image = np.full((2, 3, 1), 100, np.uint8)
    mask = np.array([[0, 1, 255], [2, 1, 255]], np.uint8)
    labels = np.array([[0, 1, 1], [1, 1, 0]], np.uint8)
    shown = views(image, mask, labels, data.info)
    assert list(shown) == ["image", "ground truth", "prediction", "errors"]
    colors = [list(color) for color in data.colors]
    white, pale = [255] * 3, [183] * 3  # 255 - 155 // 16 * 8
    np.testing.assert_array_equal(
        decoded(shown["ground truth"]),
        [[colors[0], colors[1], white], [colors[2], colors[1], white]],
    )
    np.testing.assert_array_equal(
        decoded(shown["prediction"]),
        [[colors[i] for i in row] for row in labels],
    )
    expected = [[pale, pale, white], [list(WRONG), pale, white]]
    np.testing.assert_array_equal(error_map(image, mask, labels), expected)
    np.testing.assert_array_equal(decoded(shown["errors"]), expected)


def test_large_images_are_reduced(data):
    image = np.zeros((1000, 2000, 3), np.uint8)
    ids = np.zeros((1000, 2000), np.uint8)
    for uri in views(image, ids, ids, data.info).values():
        assert decoded(uri).shape == (320, 640, 3)


def test_the_largest_errors_by_hand():
    matrix = np.array([[90, 8, 2], [0, 5, 5], [0, 0, 0]])
    assert largest_errors(matrix, ["road", "kerb", "car"]) == [
        {"true": "road", "predicted": "kerb", "share": 0.08},
        {"true": "kerb", "predicted": "car", "share": 0.5},
        {"true": "road", "predicted": "car", "share": 0.02},
    ]
    assert largest_errors(np.diag([3, 4]), ["road", "car"]) == []


# --- the page in a browser ---

WIDTHS = (390, 1280)  # a phone, a desktop
SCHEMES = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}  # background
IMAGES = """
return Promise.all([...document.images].map(i => i.decode().then(
  () => [i.alt, i.naturalWidth, i.getBoundingClientRect().width, i.currentSrc.length],
  error => [i.alt, 0, 0, String(error)])));
"""
CELLS = """
return [...document.querySelectorAll('#classes tbody tr')].map(
  row => [...row.children].slice(0, 2).map(cell => cell.innerText.trim()));
"""


def requested_schemes(browser) -> set[str]:
    """The URL schemes of all requests of the page."""
    return {url.partition(":")[0] for url in requested_urls(browser)}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_in_a_browser(
    browser, look, contrasts_of, trained, scheme, width, tmp_path
):
    look((trained / "report.html").as_uri(), scheme, width)
    assert browser.get_log("browser") == []
    # Every image is loaded and visible.
    images = browser.execute_script(IMAGES)
    assert len(images) == 4 * 4 + 5  # four views of four images, and five figures
    for alt, natural, drawn, source in images:
        assert alt and natural > 0 and drawn > 100, (alt, natural, drawn, source)
    # Nothing is wider than the window.
    across = browser.execute_script("return document.documentElement.scrollWidth")
    assert across <= width
    # The page follows the color scheme, and all text has enough contrast.
    contrasts = contrasts_of()
    assert len(contrasts) > 50
    assert min(contrasts)[0] >= 4.5, min(contrasts)
    page = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(page) == SCHEMES[scheme]
    # The table has the values of metrics.json.
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    expected = [[n, f"{v:.4f}"] for n, v in metrics["per_class_iou"].items()]
    assert browser.execute_script(CELLS) == expected
    assert requested_schemes(browser) <= {"file", "data"}
    browser.save_screenshot(str(tmp_path / "page.png"))
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_figures_follow_the_color_scheme(browser, look, trained):
    """Black letters would be unreadable on a dark page."""
    sources = {}
    for scheme in SCHEMES:
        look((trained / "report.html").as_uri(), scheme, WIDTHS[1])
        script = "return [...document.querySelectorAll('picture img')]"
        sources[scheme] = browser.execute_script(script + ".map(i => i.currentSrc)")
    assert len(sources["light"]) == 5
    assert not set(sources["light"]) & set(sources["dark"])


def test_a_class_name_with_markup_loads_nothing(
    browser, look, predictor, data, trained, tmp_path
):
    named = replace(data, class_names=(MARKUP_NAME, *data.class_names[1:]))
    page = tmp_path / "r.html"
    write_page(page, trained, evaluate_split(predictor, named, "val"))
    look(page.as_uri(), "light", WIDTHS[0])
    assert browser.get_log("browser") == []
    assert browser.execute_script(CELLS)[0][0] == MARKUP_NAME
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert requested_schemes(browser) <= {"file", "data"}

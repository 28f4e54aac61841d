"""The report, read as a file and looked at in a browser."""

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
from kseg.reporting.embedded import WRONG, mistakes, views
from kseg.reporting.page import evaluate_once, write_page
from kseg.reporting.semantic import both_ends, most_mistaken
from tests.support.browser import requested_urls
from tests.support.engines import labels_and_confidence

LABELS = HEADS["semantic"]["labels"]
NASTY = "$a_$ <img src=http://example.org/x.png onerror=alert(1)> & \"'{{ 1 }}"


@pytest.fixture(scope="module")
def data(data_folder):
    return open_data(str(data_folder))


@pytest.fixture(scope="module")
def predictor(trained):
    return open_predictor(trained / "model.keras")


@pytest.fixture(scope="module")
def evaluation(predictor, data):
    return evaluate_once(predictor, data, "val")


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of a run folder to write into."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    return folder


def text_of(path: Path) -> str:
    """What a reader sees, roughly: without styles, tags and pictures."""
    page = re.sub(r"(?s)<style>.*?</style>|<[^>]*>", " ", path.read_text())
    return re.sub(r"\s+", " ", unescape(page))


# --- one pass ---


def test_one_pass_finds_what_evaluate_and_a_loop_find(evaluation, predictor, data):
    split, sure, right, ious = data.split("val"), 0.0, 0, []
    for index in range(4):
        image, mask = split.read(index)
        labels, confidence = labels_and_confidence(predictor, image)
        hits = [((mask == c) & (labels == c)).sum() for c in range(6)]
        union = [((mask == c) | (labels == c)).sum() for c in range(6)]
        ious.append(np.mean([h / u for h, u in zip(hits, union, strict=True) if u]))
        sure, right = sure + confidence.sum(), right + (mask == labels).sum()
        if index in evaluation.labels:
            np.testing.assert_array_equal(evaluation.labels[index], labels)
    assert evaluation.ious == pytest.approx(ious)
    pixels = 4 * 64 * 80
    totals = evaluation.calibration.sum(0)
    assert totals == pytest.approx([pixels, right, sure], rel=1e-5)
    assert evaluation.metrics["pixel_accuracy"] == pytest.approx(right / pixels)


class Counted:
    """A split that counts how often each picture is read; `void` ones show nothing."""

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


def test_every_picture_is_read_once_and_few_are_kept(predictor, data):
    split = Counted(data.split("train"))
    found = evaluate_once(predictor, replace(data, splits={"train": split}), "train")
    assert set(split.times.values()) == {1}
    assert len(found.labels) == 6
    best, worst = both_ends(found.ious)
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
def test_no_picture_is_both_best_and_worst(ious, best, worst):
    assert both_ends(ious) == (best, worst)


def test_pictures_without_a_label_have_no_rank(predictor, data, trained, tmp_path):
    split = Counted(data.split("val"), void=(0, 1, 2, 3))
    found = evaluate_once(predictor, replace(data, splits={"val": split}), "val")
    assert np.isnan(found.ious).all() and found.calibration_error is None
    assert found.all_figures()["per_picture_iou"]["s0.png"] is None
    write_page(tmp_path / "r.html", trained, found)
    text = text_of(tmp_path / "r.html")
    assert "No picture has a labelled pixel" in text
    assert "no pixel is labelled" in text and "nan" not in text


# --- the page as a file ---


def test_training_leaves_the_report(trained):
    metrics = json.loads((trained / "metrics.json").read_text())
    page = (trained / "report.html").read_text()
    text = text_of(trained / "report.html")
    assert f"{metrics['mean_iou']:.3f} mean IoU on val" in text
    for name, value in metrics["per_class_iou"].items():
        assert f" {name} {value:.4f} " in text
    # The command as it was given, the versions, the machine, the data, the time.
    record = json.loads((trained / "config.json").read_text())
    assert f"python -m kseg.train --data {record['config']['data']} --width 4" in text
    assert f"keras {record['versions']['keras']}" in text
    assert record["machine"]["processor"] in text
    assert record["data"]["fingerprint"] in text
    assert f"{record['parameters']:,}" in text and "Epochs 2 of 2" in text
    # Nothing to fetch, nothing to run.
    assert "<script" not in page
    sources = re.findall(r'(?:src|srcset|href)="([^"]*)"', page)
    assert sources and all(source.startswith("data:image/") for source in sources)


def test_the_report_is_written_anew_where_data_have_moved(run, data_folder, tmp_path):
    shutil.copytree(data_folder, tmp_path / "moved")
    (run / "report.html").unlink()
    figures, page = tmp_path / "f.json", tmp_path / "page.html"
    arguments = ["--data", str(tmp_path / "moved"), "--json", str(figures)]
    main([str(run), *arguments])
    assert "have changed" not in text_of(run / "report.html")
    found = json.loads(figures.read_text())
    reported = json.loads((run / "metrics.json").read_text())
    assert {name: found[name] for name in reported} == reported
    assert list(found["per_picture_iou"]) == [f"s{i}.png" for i in range(4)]
    assert 0 < found["expected_calibration_error"] < 1

    main([str(run), *arguments, "--split", "train", "--output", str(page)])
    assert "mean IoU on train" in text_of(page) and "16 pictures" in text_of(page)

    # One picture is another: the page says so.
    (tmp_path / "moved/val/images/s0.png").write_bytes(
        (tmp_path / "moved/val/images/s1.png").read_bytes()
    )
    main([str(run), "--data", str(tmp_path / "moved"), "--output", str(page)])
    assert "files or classes have changed" in text_of(page)


def test_names_of_users_are_text(predictor, data, run, tmp_path):
    """A class called like a tag, a folder with quotes: shown, never obeyed."""
    named = replace(data, name=NASTY, names=(NASTY, *data.names[1:]))
    folder = run.rename(tmp_path / 'run "<b>"')
    write_page(folder / "r.html", folder, evaluate_once(predictor, named, "val"))
    page = (folder / "r.html").read_text()
    assert "<img src=http" not in page and "<b>&#34;" not in page
    assert text_of(folder / "r.html").count(NASTY) >= 3  # headline, legend, table


def test_a_network_of_labels_alone_has_no_confidence(trained, data, tmp_path):
    model = load_model(trained / "model.keras")
    found = evaluate_once(
        SemanticPredictor(KerasEngine(model, head=LABELS), data.info), data, "val"
    )
    assert found.calibration is None
    write_page(tmp_path / "r.html", trained, found)
    assert "gives labels without a confidence" in text_of(tmp_path / "r.html")


def test_a_run_broken_off_in_its_first_epoch_has_no_curves(run):
    (run / "history.csv").unlink()
    main([str(run)])
    assert "There are no curves: the run was broken off" in text_of(run / "report.html")


def test_a_run_of_an_older_kseg_has_less_to_say(run):
    """Its config.json has no fingerprint, machine or number of parameters."""
    path = run / "config.json"
    record = json.loads(path.read_text())
    del record["machine"], record["parameters"], record["data"]["fingerprint"]
    path.write_text(json.dumps(record))
    main([str(run)])
    text = text_of(run / "report.html")
    assert "Parameters" not in text and "None" not in text.partition("Every option")[0]


@pytest.mark.parametrize(
    ("harm", "arguments", "complaint"),
    [
        ("", ["no/run"], "no/run: no such run folder"),
        ("", ["{run}/model.keras"], "model.keras: no such run folder"),
        ("", ["{run}", "--data", "no/data"], "no/data: no such data folder"),
        ("", ["{run}", "--split", "test"], "no split 'test'; it has train, val"),
        ("", ["{run}", "--output", "no/folder/r.html"], "not a file in an existing"),
        ("history.csv", ["{run}"], "history.csv: is damaged .*train again"),
        ("model.keras", ["{run}"], "model.keras: is no Keras model"),
        ("config.json", ["{run}"], "config.json: is damaged"),
    ],
)
def test_what_cannot_be_is_one_line(run, harm, arguments, complaint):
    if harm:
        (run / harm).write_text("epoch,seconds\n1,x\n")
    with pytest.raises(InputError, match=complaint) as caught:
        main([argument.format(run=run) for argument in arguments])
    assert "\n" not in str(caught.value)


def test_data_that_are_gone_are_asked_for(run, data_folder, tmp_path):
    path = run / "config.json"
    path.write_text(path.read_text().replace(str(data_folder), str(tmp_path / "gone")))
    with pytest.raises(InputError, match="data are gone; say where with --data"):
        main([str(run)])


def test_a_page_that_cannot_be_written_names_output(trained, evaluation, tmp_path):
    (tmp_path / ".r.part.html").mkdir()  # where it would be written first
    with pytest.raises(InputError, match="r.html: cannot be written .* --output"):
        write_page(tmp_path / "r.html", trained, evaluation)


# --- pictures and words ---


def decoded(uri: str) -> np.ndarray:
    content = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_views_show_truth_prediction_and_where_they_differ(data):
    image = np.full((2, 3, 1), 100, np.uint8)
    mask = np.array([[0, 1, 255], [2, 1, 255]], np.uint8)
    labels = np.array([[0, 1, 1], [1, 1, 0]], np.uint8)
    shown = views(image, mask, labels, data.info)
    assert list(shown) == ["image", "truth", "prediction", "mistakes"]
    colors = [list(color) for color in data.colors]
    white, pale = [255] * 3, [183] * 3  # 255 - 155 // 16 * 8
    np.testing.assert_array_equal(
        decoded(shown["truth"]),
        [[colors[0], colors[1], white], [colors[2], colors[1], white]],
    )
    np.testing.assert_array_equal(
        decoded(shown["prediction"]),
        [[colors[i] for i in row] for row in labels],
    )
    expected = [[pale, pale, white], [list(WRONG), pale, white]]
    np.testing.assert_array_equal(mistakes(image, mask, labels), expected)
    np.testing.assert_array_equal(decoded(shown["mistakes"]), expected)


def test_large_pictures_are_shrunk(data):
    image = np.zeros((1000, 2000, 3), np.uint8)
    ids = np.zeros((1000, 2000), np.uint8)
    for uri in views(image, ids, ids, data.info).values():
        assert decoded(uri).shape == (320, 640, 3)


def test_the_largest_confusions_by_hand():
    matrix = np.array([[90, 8, 2], [0, 5, 5], [0, 0, 0]])
    assert most_mistaken(matrix, ["road", "kerb", "car"]) == [
        {"truth": "road", "taken": "kerb", "share": 0.08},
        {"truth": "kerb", "taken": "car", "share": 0.5},
        {"truth": "road", "taken": "car", "share": 0.02},
    ]
    assert most_mistaken(np.diag([3, 4]), ["road", "car"]) == []


# --- the page in a browser ---

WIDTHS = (390, 1280)  # a phone, a desk
SCHEMES = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}  # and the page
PICTURES = """
return Promise.all([...document.images].map(i => i.decode().then(
  () => [i.alt, i.naturalWidth, i.getBoundingClientRect().width, i.currentSrc.length],
  error => [i.alt, 0, 0, String(error)])));
"""
CELLS = """
return [...document.querySelectorAll('#classes tbody tr')].map(
  row => [...row.children].slice(0, 2).map(cell => cell.innerText.trim()));
"""


def requested_schemes(browser) -> set[str]:
    """The schemes of all addresses that the page has requested."""
    return {url.partition(":")[0] for url in requested_urls(browser)}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_in_a_browser(
    browser, look, contrasts_of, trained, scheme, width, tmp_path
):
    look((trained / "report.html").as_uri(), scheme, width)
    assert browser.get_log("browser") == []
    # Every picture is there, and where it is to be seen.
    pictures = browser.execute_script(PICTURES)
    assert len(pictures) == 4 * 4 + 5  # of four pictures four views, and five drawings
    for alt, natural, drawn, source in pictures:
        assert alt and natural > 0 and drawn > 100, (alt, natural, drawn, source)
    # Nothing is wider than the screen.
    across = browser.execute_script("return document.documentElement.scrollWidth")
    assert across <= width
    # The scheme is obeyed, and everything can be read.
    contrasts = contrasts_of()
    assert len(contrasts) > 50
    assert min(contrasts)[0] >= 4.5, min(contrasts)
    page = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(page) == SCHEMES[scheme]
    # The table is metrics.json.
    metrics = json.loads((trained / "metrics.json").read_text())
    expected = [[n, f"{v:.4f}"] for n, v in metrics["per_class_iou"].items()]
    assert browser.execute_script(CELLS) == expected
    assert requested_schemes(browser) <= {"file", "data"}
    browser.save_screenshot(str(tmp_path / "page.png"))
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_drawings_follow_the_scheme(browser, look, trained):
    """Black letters on a dark page could not be read."""
    sources = {}
    for scheme in SCHEMES:
        look((trained / "report.html").as_uri(), scheme, WIDTHS[1])
        script = "return [...document.querySelectorAll('picture img')]"
        sources[scheme] = browser.execute_script(script + ".map(i => i.currentSrc)")
    assert len(sources["light"]) == 5
    assert not set(sources["light"]) & set(sources["dark"])


def test_a_name_like_a_tag_asks_for_nothing(
    browser, look, predictor, data, trained, tmp_path
):
    named = replace(data, names=(NASTY, *data.names[1:]))
    page = tmp_path / "r.html"
    write_page(page, trained, evaluate_once(predictor, named, "val"))
    look(page.as_uri(), "light", WIDTHS[0])
    assert browser.get_log("browser") == []
    assert browser.execute_script(CELLS)[0][0] == NASTY
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert requested_schemes(browser) <= {"file", "data"}

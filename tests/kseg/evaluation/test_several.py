"""The folds of a training and other runs, measured and used as one model."""

import json
import shutil

import numpy as np
import pytest

import kseg
from edge.core.errors import InputError
from kseg.cli.train import main as train
from kseg.core.fold_runs import read_fold
from kseg.data.open import open_data
from kseg.evaluation.metrics.confusion import iou_per_class
from kseg.evaluation.semantic import SemanticEvaluator
from kseg.models.saving import load_model
from tests.kseg.conftest import write_data
from tests.support.once import made_once

pytestmark = pytest.mark.slow  # the two reports of the folds take 10 s
SIZE = (32, 32)
OPTIONS = ["--model", "dense", "--width", "2", "--size", "32x32", "--batch-size", "2"]
OPTIONS += ["--epochs", "1", "--learning-rate", "0.02", "--folds", "2"]


@pytest.fixture(scope="session")
def folds(tmp_path_factory):
    """A k-fold run of two folds, trained by the command; and its data beside it."""

    def make(folder):
        write_data(folder / "data", {"train": 4, "val": 2, "test": 2}, SIZE)
        places = ["--data", str(folder / "data"), "--output", str(folder / "k")]
        assert train([*places, *OPTIONS]) == 0

    return made_once(tmp_path_factory, "folds", make) / "k"


def data_of(folds):
    return open_data(str(folds.parent / "data"))


def mean_labels(folds, image):
    """The best class of the mean of both networks' softmax, by hand.

    The confidence is that of the mean of both temperatures.
    """
    total, temperatures = 0, []
    for number in range(2):
        network = load_model(folds / f"fold{number}" / "model.keras")
        temperatures.append(kseg.load(folds / f"fold{number}").temperature)
        logits = np.asarray(network([image[None].astype(np.float32)]))[0]
        odds = np.exp(logits - logits.max(axis=2, keepdims=True))
        total = total + odds / odds.sum(axis=2, keepdims=True)
    softened = (total / 2) ** (1 / np.mean(temperatures))
    confidence = softened.max(axis=2) / softened.sum(axis=2)
    return total.argmax(axis=2), confidence


def test_the_command_leaves_runs_and_a_table_of_them(folds):
    found = json.loads((folds / "folds.json").read_text(encoding="utf-8"))
    assert found["finished"] == 2 and len(found["per_class"]) == 6
    values = []
    for number in range(2):
        path = folds / f"fold{number}" / "metrics.json"
        values.append(json.loads(path.read_text(encoding="utf-8"))["mean_iou"])
        assert (path.parent / "report.html").is_file()
    assert list(found["values"].values()) == values
    assert found["mean"] == pytest.approx(sum(values) / 2)
    assert "fold1/report.html" in (folds / "report.html").read_text(encoding="utf-8")


def test_folds_predict_as_the_mean_of_their_probabilities(folds):
    image = data_of(folds).split("test").read(0).image
    result = kseg.load(folds).predict(image, confidence=True)
    labels, confidence = mean_labels(folds, image)
    np.testing.assert_array_equal(result.labels, labels)
    np.testing.assert_allclose(result.confidence, confidence, atol=1e-5)
    both = f"{folds / 'fold0'},{folds / 'fold1' / 'model.keras'}"
    np.testing.assert_array_equal(kseg.load(both).predict(image).labels, labels)


def test_on_its_own_data_each_image_is_measured_by_the_fold_that_did_not_see_it(folds):
    """The confusion matrix is the sum of those of both folds on their own images."""
    data, total = data_of(folds), SemanticEvaluator(kseg.load(folds).info.class_names)
    for number in range(2):
        folder = folds / f"fold{number}"
        predictor = kseg.load(folder)
        for key in read_fold(folder).val:
            split, _, name = key.partition("/")
            part = data.split(split)
            image, mask = part.read(part.names.index(name))
            total.add(mask, predictor.predict(image, confidence=True))
    found = kseg.evaluate(folds)
    assert found.split == "out-of-fold" and found["images"] == 6
    iou = iou_per_class(total.matrix)
    assert list(found["per_class_iou"].values()) == pytest.approx(
        [None if np.isnan(value) else value for value in iou.tolist()]
    )
    assert kseg.evaluate(folds, folds.parent / "data", split="train")["images"] == 6


def test_one_fold_is_measured_on_its_own_images(folds):
    recorded = json.loads(
        (folds / "fold1" / "metrics.json").read_text(encoding="utf-8")
    )
    assert kseg.evaluate(folds / "fold1").value == pytest.approx(recorded["mean_iou"])


def test_the_test_split_and_other_data_are_measured_with_the_mean(folds, tmp_path):
    data = data_of(folds)
    evaluator = SemanticEvaluator(data.class_names, fast=True)
    for index in range(2):
        image, mask = data.split("test").read(index)
        evaluator.count(mask, mean_labels(folds, image)[0], None)
    found = kseg.evaluate(folds, split="test")
    assert found.split == "test" and found.value == pytest.approx(evaluator.value())
    write_data(tmp_path / "other", {"val": 1}, SIZE)
    assert kseg.evaluate(folds, tmp_path / "other")["images"] == 1


def test_data_that_moved_are_still_the_own_ones(folds, tmp_path):
    shutil.copytree(folds.parent / "data", tmp_path / "moved")
    assert kseg.evaluate(folds, tmp_path / "moved").split == "out-of-fold"


def test_images_that_one_of_several_was_trained_on_are_refused(folds):
    both = f"{folds / 'fold0'},{folds / 'fold1'}"
    with pytest.raises(InputError, match="were trained on different images .*--split"):
        kseg.evaluate(both)
    assert kseg.evaluate(both, split="test")["images"] == 2


def test_what_several_models_cannot_do_is_one_line(folds, trained_objects, tmp_path):
    with pytest.raises(InputError, match="has 2 folds with a model each; .*fold0, or"):
        kseg.export(folds)
    with pytest.raises(InputError, match="--name-by-truth: has no effect on"):
        kseg.evaluate(folds, name_by_truth=True)
    with pytest.raises(InputError, match="--seed: has no effect"):
        kseg.evaluate(folds, seed=1)
    copy = tmp_path / "copy"
    shutil.copytree(trained_objects, copy)
    with pytest.raises(InputError, match="of the task instance cannot be averaged"):
        kseg.load(f"{trained_objects},{copy}")


def test_files_are_predicted_with_the_mean(folds, tmp_path):
    images = folds.parent / "data" / "test" / "images"
    done = kseg.predict(folds, images, output=tmp_path / "out")
    assert len(done) == 2 and len(list((tmp_path / "out" / "masks").iterdir())) == 2
    image = data_of(folds).split("test").read(1).image
    expected = mean_labels(folds, image)[0]
    np.testing.assert_array_equal(list(done)[1].result.labels, expected)

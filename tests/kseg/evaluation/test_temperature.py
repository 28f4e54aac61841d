"""Calibration of a trained run: the file, the figures and what reads them."""

import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from edge.model_file.metadata import info_of
from kseg.core.runs import METRICS
from kseg.data.open import open_data
from kseg.data.sample import Sample
from kseg.evaluation.open import open_predictor
from kseg.evaluation.temperature import (
    AFTER,
    BEFORE,
    CALIBRATORS,
    TEMPERATURE,
    PixelScores,
    calibrate_semantic,
    calibration_record,
    choose_pixels,
    describe_record,
    record_in,
    sample_scores,
)
from kseg.models.saving import load_model, replace_info


@pytest.fixture(scope="module")
def data(data_folder):
    return open_data(str(data_folder))


@pytest.fixture(scope="module")
def plain(trained):
    """The predictor of the run as it was before its calibration."""
    predictor = open_predictor(trained / "model.keras")
    return predictor.with_decoder({TEMPERATURE: 1.0})


@pytest.fixture
def model(trained, tmp_path):
    return shutil.copy(trained / "model.keras", tmp_path / "model.keras")


def test_a_training_stores_the_temperature_and_both_errors(trained):
    metrics = json.loads((trained / METRICS).read_text(encoding="utf-8"))
    info = info_of(trained / "model.keras")
    assert info.decoder == {TEMPERATURE: metrics[TEMPERATURE]}
    assert record_in(info) == {k: metrics[k] for k in (TEMPERATURE, BEFORE, AFTER)}
    assert 0.1 <= metrics[TEMPERATURE] <= 10
    assert 0 <= metrics[AFTER] < 1 and 0 <= metrics[BEFORE] < 1
    assert 0 < metrics["expected_calibration_error"] < 1


def test_a_second_calibration_finds_the_same(model, plain, data):
    before = info_of(model)
    found = calibrate_semantic(model, plain, data)
    assert found.info.decoder == before.decoder
    assert info_of(model) == before


def test_the_file_keeps_its_weights(model, trained):
    info = replace(info_of(model), decoder={TEMPERATURE: 3.0})
    replace_info(model, info)
    with zipfile.ZipFile(model) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))
        assert archive.testzip() is None
    assert info_of(model) == info
    pairs = zip(
        load_model(model).get_weights(),
        load_model(trained / "model.keras").get_weights(),
        strict=True,
    )
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_scores_are_those_of_the_labelled_pixels(plain, data):
    """Their largest logit is that of the predicted label; all pixels are sampled."""
    split = data.split("val")
    scores = sample_scores(plain, split)
    start = 0
    for number in range(len(split.sizes)):
        sample = split.read(number)
        valid = sample.target.ravel() != 255
        part = slice(start, start + valid.sum())
        assert np.array_equal(scores.labels[part], sample.target.ravel()[valid])
        labels = plain.predict(sample.image).labels.ravel()[valid]
        assert np.array_equal(scores.logits[part].argmax(axis=1), labels)
        assert set(scores.images[part]) == {number}
        start = part.stop
    assert start == len(scores.labels)


def test_void_masks_leave_model_and_file_as_they_are(model, plain, data):
    class Void:
        names, sizes, files = (data.split("val").names,) * 3
        sizes = data.split("val").sizes

        def read(self, index):
            sample = data.split("val").read(index)
            return Sample(sample.image, np.full_like(sample.target, 255))

    content = model.read_bytes()
    void = replace(data, splits={"val": Void()})
    assert calibrate_semantic(model, plain, void) is plain
    assert model.read_bytes() == content


def test_a_share_of_the_labelled_pixels_is_chosen():
    mask = np.full((10, 10), 255, np.uint8)
    mask[:5] = 1
    chosen = choose_pixels(mask, 0.1, seed=3)
    assert len(set(chosen.tolist())) == 5 and chosen.max() < 50
    assert np.array_equal(chosen, choose_pixels(mask, 0.1, seed=3))
    assert not np.array_equal(chosen, choose_pixels(mask, 0.1, seed=4))
    assert choose_pixels(mask, 1.0, 0).tolist() == list(range(50))


def test_the_error_is_measured_on_the_images_that_were_not_fitted():
    """Odds of 9 in all pixels. First image: 3 of 4 correct, so T = 2, confidence 0.75.

    Second image: 1 of 2 correct, so the error is 0.25, and 0.4 at T = 1. Over all
    pixels 4 of 6 are correct: odds of 2, T = log 9 / log 2.
    """
    logits = np.log(np.float32([[9, 1]] * 6))
    labels, images = np.array([0, 0, 0, 1, 0, 1]), np.array([0, 0, 0, 0, 1, 1])
    found = calibration_record(PixelScores(logits, labels, images))
    assert found[TEMPERATURE] == pytest.approx(np.log(9) / np.log(2), abs=1e-3)
    assert found[BEFORE] == pytest.approx(0.4, abs=1e-6)
    assert found[AFTER] == pytest.approx(0.25, abs=1e-5)


def test_of_one_image_there_is_no_other_half():
    logits = np.log(np.float32([[9, 1]] * 4))
    scores = PixelScores(logits, np.array([0, 0, 0, 1]), np.zeros(4, int))
    found = calibration_record(scores)
    assert found == {TEMPERATURE: 2.0, BEFORE: None, AFTER: None}
    assert describe_record(found) == "confidence: temperature 2.000"


def test_only_semantic_models_are_calibrated():
    assert set(CALIBRATORS) == {"semantic"}

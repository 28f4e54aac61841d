"""The classes of a model and of the data it is measured on; images to predict."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.model_file.info import unknown_model
from edge.predict.ssd import ssd_predictor
from kseg.core.configs import TrainConfig, to_record
from kseg.core.runs import write_json
from kseg.data.shapes import SHAPES
from kseg.evaluation.open import check_classes, data_of, list_given_images
from tests.edge.predict.test_ssd import outputs
from tests.kseg.conftest import write_data
from tests.support.object_folders import save
from tests.support.outputs import FixedOutputs

DATA = SHAPES["detection"]()  # disc, square, triangle, ring, cross
ARRAYS = outputs([[0, 0, 1, 1]], [0], [0.9])


def model(names=()):
    """An SSD file whose list of labels is `names`."""
    found = ssd_predictor(FixedOutputs(ARRAYS, (32, 32)), unknown_model(names))
    assert found is not None
    return found


def check(names, caplog) -> str:
    with caplog.at_level(logging.INFO):
        check_classes(model(names), DATA, "ssd.tflite")
    return caplog.text


def test_classes_without_names_are_matched_by_number(caplog):
    assert "ssd.tflite: has no class names; its classes are matched to those of " in (
        text := check((), caplog)
    )
    assert "shapes by number: 0 is disc" in text


@pytest.mark.parametrize("background", [(), ("???",)])
def test_labels_that_are_those_of_the_data_are_silent(background, caplog):
    assert not check((*background, *DATA.class_names), caplog)


@pytest.mark.parametrize("names", [("person",), DATA.class_names[:4]])
def test_other_labels_are_refused(names, caplog):
    with pytest.raises(InputError, match="ssd.tflite: has the classes .*, but shapes"):
        check(names, caplog)


def test_many_long_names_are_listed_in_brief(caplog):
    with pytest.raises(InputError) as caught:
        check(tuple(f"{k}{'x' * 9999}" for k in range(200)), caplog)
    assert len(str(caught.value)) < 700 and "\n" not in str(caught.value)


def test_classes_that_only_masks_tell_are_to_be_declared():
    numbered = replace(DATA, class_names=("class 0", "class 1"))
    with pytest.raises(InputError, match="add the classes.json of the training"):
        check_classes(model(DATA.class_names), numbered, "ssd.tflite")


def test_the_seed_of_another_division_is_named(tmp_path, caplog):
    """The run has seen images of a val split that another seed chooses."""
    data, run = tmp_path / "data", tmp_path / "run"
    write_data(data, {"train": 6}, (8, 8))
    recorded = {"config": to_record(TrainConfig(data=str(data), seed=3)), "data": {}}
    run.mkdir()
    write_json(run / "config.json", recorded)
    for seed, told in ((None, False), (3, False), (1, True)):
        caplog.clear()
        data_of("grouping:color", run, str(data), seed)
        assert ("trained with --seed 3, so it has seen" in caplog.text) == told


# --- images to predict ---


def test_a_data_folder_of_one_split_gives_its_images(tmp_path):
    image = save(tmp_path / "test/images/a.png", np.zeros((4, 4), np.uint8))
    save(tmp_path / "test/masks/a.png", np.zeros((4, 4), np.uint8))
    for folder in (tmp_path, tmp_path / "test", tmp_path / "test/images"):
        assert list_given_images([str(folder)]) == [image]
    save(tmp_path / "train/images/b.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="has several splits; give the images of one"):
        list_given_images([str(tmp_path)])

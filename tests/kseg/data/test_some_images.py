"""Some images of the train split, and the data set that they are of."""

import pytest

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.data.fold_data import open_training_data
from kseg.data.one_class import data_for
from kseg.data.open import open_data
from kseg.data.some_images import with_some_images


def test_more_images_contain_those_of_fewer(data_folder):
    data = open_data(str(data_folder))
    total = len(data.split("train").names)
    few, more = (with_some_images(data, n, seed=3).split("train") for n in (2, 3))
    assert len(few.names) == 2 and set(few.names) < set(more.names)
    everything = with_some_images(data, total, 3).split("train")
    assert everything.names == data.split("train").names
    assert with_some_images(data, None, 3) is data


def test_other_splits_and_the_fingerprint_are_those_of_all(data_folder):
    data = open_data(str(data_folder))
    some = with_some_images(data, 2, 0)
    assert some.split("val") is data.split("val")
    assert some.fingerprint == data.fingerprint


def test_images_of_one_class(object_data):
    data = open_data(str(object_data), task="detection")
    some = with_some_images(data, 2, 0)
    assert data_for("rpn", some).fingerprint == data_for("rpn", data).fingerprint


def test_too_many(data_folder):
    config = TrainConfig(data=str(data_folder), images=10_000)
    with pytest.raises(InputError, match="^--images 10000: .* to train on; give"):
        open_training_data(config, data_folder)

"""Data of one class."""

import numpy as np

from kseg.data.one_class import data_for
from kseg.data.open import open_data


def test_a_network_without_classes_sees_one():
    data = open_data("shapes", task="detection")
    seen = data_for("rpn", data)
    assert seen.class_names == ("object",) and len(seen.colors) == 1
    (image, objects), (same, ones) = (x.split("val").read(3) for x in (data, seen))
    assert objects.class_ids.any() and not ones.class_ids.any()
    assert len(ones.class_ids) == len(objects.class_ids)
    np.testing.assert_array_equal(image, same)
    assert seen.split("val").sizes == data.split("val").sizes
    assert seen.split("val").names == data.split("val").names
    assert seen.fingerprint != data.fingerprint


def test_other_networks_see_the_data_as_they_are():
    data = open_data("shapes", task="detection")
    assert data_for("faster_rcnn", data) is data

"""The targets that are lists of boxes."""

import logging

import numpy as np

from kseg.data.loading.box_targets import IGNORED, NONE, BoxTargets
from kseg.data.objects import no_objects
from kseg.data.sample import Objects

RANDOM = np.random.default_rng(0)


def some(count):
    boxes = np.float32([[k, 0, k + 4, 5] for k in range(count)]).reshape(-1, 4)
    return Objects(boxes, np.arange(count, dtype=np.int32), np.zeros(count, bool))


def test_objects_come_first_and_crowds_are_ignored():
    objects = some(2)
    objects.crowd[1] = True
    found = BoxTargets((32, 32), limit=3).of(objects, RANDOM)
    assert found["classes"].tolist() == [0, IGNORED, NONE]
    assert found["boxes"].tolist() == [[0, 0, 4, 5], [1, 0, 5, 5], [0, 0, 0, 0]]


def test_an_image_without_objects_has_a_blank_target():
    targets = BoxTargets((32, 32))
    found = targets.of(no_objects(), RANDOM)
    for name, value in targets.blank().items():
        np.testing.assert_array_equal(found[name], value)


def test_more_objects_than_fit_are_said_once(caplog):
    targets = BoxTargets((32, 32), limit=2)
    with caplog.at_level(logging.WARNING):
        found = [targets.of(some(3), RANDOM) for _ in range(8)]
    assert caplog.text.count("an image has 3 objects: 2 of them") == 1
    assert {i for each in found for i in each["classes"].tolist()} == {0, 1, 2}

"""Results as labelled objects: which are written, and what is left out."""

import numpy as np
import pytest

from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.predict.tasks import PREDICTORS
from kseg.core.prelabel_config import WRITTEN_FORMATS, PrelabelConfig
from kseg.data.formats.detect import FORMATS
from kseg.data.formats.writing.formats import CENTRES, WRITTEN
from kseg.data.formats.writing.objects import (
    OBJECTS,
    TOLERANCE,
    Limits,
    objects_of_boxes,
    objects_of_instances,
    objects_of_map,
    written_classes,
)
from tests.support.object_results import detections, instances

IDS = {1: 0, 2: 1}


def test_the_dictionaries_agree():
    assert set(OBJECTS) == set(PREDICTORS)
    assert tuple(WRITTEN) == WRITTEN_FORMATS and set(WRITTEN) <= set(FORMATS)
    assert set(CENTRES) <= set(WRITTEN)
    assert PrelabelConfig("m", "d").tolerance == TOLERANCE


def test_background_and_void_are_not_written():
    names = ("_background_", "road", "void", "sky")
    colors = tuple((index, 0, 0) for index in range(4))
    found = written_classes(ModelInfo(names, colors))
    assert found.names == ("road", "sky") and found.ids == {1: 0, 3: 1}
    assert found.colors == ((1, 0, 0), (3, 0, 0))


def test_each_region_of_a_class_is_an_object_the_largest_first():
    labels = np.zeros((10, 12), np.uint8)
    labels[1:3, 1:3], labels[5:9, 5:11], labels[5:8, 1:4] = 1, 2, 1
    found = objects_of_map(SemanticMap(labels), IDS, Limits(0, 1))
    assert [one.class_id for one in found.objects] == [1, 0, 0]
    assert [one.box for one in found.objects] == [
        *((5, 5, 11, 9), (1, 5, 4, 8), (1, 1, 3, 3)),
    ]


def test_specks_are_left_out_and_counted():
    labels = np.zeros((10, 12), np.uint8)
    labels[1, 1], labels[5:9, 5:11] = 1, 2
    found = objects_of_map(SemanticMap(labels), IDS, Limits(0, 2))
    assert (len(found.objects), found.specks) == (1, 1)


def test_the_least_area_is_a_share_of_the_image_if_none_is_given():
    """0.0002 of 100 x 100 pixels are 2."""
    assert Limits().of((100, 100)).least_area == pytest.approx(2)
    assert Limits(1.0, 0).of((100, 100)).least_area == 0


def test_an_object_has_a_polygon_for_each_of_its_parts():
    """A mask of two columns at the sides of its box of 9 x 3 pixels."""
    logits = np.full((3, 9), -9.0)
    logits[:, :3] = logits[:, 6:] = 9
    found = instances((1, 0.9, 10, 20, 19, 23), (0, 0.9, 0, 0, 5, 5), crops=None)
    assert len(objects_of_instances(found, IDS, Limits(0, 1)).objects) == 1
    parted = instances((2, 0.9, 10, 20, 19, 23), crops=[logits.tolist()])
    (one,) = objects_of_instances(parted, IDS, Limits(0, 1)).objects
    assert one.class_id == 1 and len(one.polygons) == 2
    assert one.box == (10, 20, 19, 23)


def test_an_object_without_a_large_part_is_left_out():
    found = instances((1, 0.9, 10, 20, 12, 22))
    result = objects_of_instances(found, IDS, Limits(0, 5))
    assert (result.objects, result.specks) == ([], 1)


def test_boxes_are_clipped_to_the_image():
    found = detections((1, 0.9, -5, 10.5, 30, 120), (2, 0.9, 300, 0, 400, 9))
    result = objects_of_boxes(found, IDS, Limits(0, 0))
    (one,) = result.objects
    assert one.box == (0, 10.5, 30, 100) and not one.outlined
    assert result.specks == 1  # the other one is outside

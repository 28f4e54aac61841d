"""Results on boxes and masks whose pixels are known."""

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.results import Detections, Instances, SemanticMap

INFO = ModelInfo(class_names=("road", "car", "sky"), colors=((0, 0, 0),) * 3)


def test_shares_are_of_present_classes_in_order():
    result = SemanticMap(np.uint8([[1, 0, 1, 255]]))
    assert result.shares(INFO) == {"road": 0.25, "car": 0.5}
    assert result.shares(INFO, void="void") == {"road": 0.25, "car": 0.5, "void": 0.25}
    assert result.shares(INFO, void="car") == {"road": 0.25, "car": 0.75}


def detections(count: int) -> Detections:
    boxes = np.arange(4 * count, dtype=np.float32).reshape(count, 4)
    scores = np.linspace(0.9, 0.1, count, dtype=np.float32)
    return Detections(boxes, np.arange(count, dtype=np.int32), scores, (20, 30))


def test_detections_are_selected_by_index_and_by_mask():
    found = detections(3)
    assert len(found) == 3
    assert found[np.array([2, 0])].class_ids.tolist() == [2, 0]
    kept = found[found.scores > 0.4]
    assert len(kept) == 2 and kept.size == (20, 30)


def test_an_index_gives_one_object_and_a_loop_gives_all():
    found = detections(3)
    assert found[-1].class_ids.tolist() == [2] and found[0].boxes.shape == (1, 4)
    assert [each.class_ids.tolist() for each in found] == [[0], [1], [2]]
    both = instance((0, 0, 2, 2), [[1.0]])
    assert [len(each.mask_crops) for each in both] == [1]
    with pytest.raises(IndexError):
        found[3]


@pytest.mark.parametrize("threshold", (0, 1, 2, float("nan")))
def test_a_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(InputError, match="must be over 0 and under 1"):
        next(instance((0, 0, 2, 2), [[1.0]]).masks(threshold))


def instance(box, crop, size=(4, 6), span=None, class_id=1) -> Instances:
    """One object; by default its cells span its box."""
    return Instances(
        np.float32([box]),
        np.int32([class_id]),
        np.float32([0.9]),
        size,
        mask_crops=(np.float32(crop),),
        mask_spans=np.float32([span or box]),
    )


def test_a_mask_covers_only_its_box():
    (found,) = instance((1, 1, 3, 4), [[5.0]]).masks()
    rows, columns, mask = found
    assert (rows, columns) == (slice(1, 4), slice(1, 3))
    assert mask.shape == (3, 2) and mask.all()


def test_cells_are_enlarged_bilinearly():
    # Two cells over 4 pixels: -1, 1 become -1, -0.5, 0.5, 1 at the centres.
    ((_, _, mask),) = instance((0, 0, 4, 1), [[-1.0, 1.0]]).masks()
    assert mask.tolist() == [[False, False, True, True]]


def test_a_threshold_is_a_probability():
    # Logit 1 is a probability of 0.73.
    found = instance((0, 0, 2, 2), [[1.0]])
    assert next(found.masks(0.7))[2].all() and not next(found.masks(0.75))[2].any()


def test_a_box_beyond_the_image_is_clipped():
    ((rows, columns, mask),) = instance((-2, -1, 9, 2), [[3.0]]).masks()
    assert (rows, columns) == (slice(0, 2), slice(0, 6)) and mask.shape == (2, 6)


def test_a_box_without_a_pixel_has_an_empty_mask():
    ((rows, columns, mask),) = instance((7, 1, 9, 2), [[3.0]]).masks()
    assert mask.size == 0


def test_the_higher_score_wins():
    both = Instances(
        np.float32([[0, 0, 2, 1], [1, 0, 3, 1]]),
        np.int32([2, 1]),
        np.float32([0.9, 0.8]),
        (1, 4),
        mask_crops=(np.float32([[1]]), np.float32([[1]])),
        mask_spans=np.float32([[0, 0, 2, 1], [1, 0, 3, 1]]),
    )
    assert both.label_map().tolist() == [[1, 1, 2, 0]]
    assert both.label_map().dtype == np.uint16
    assert both.to_semantic().labels.tolist() == [[2, 2, 1, 255]]
    assert both[np.array([1])].label_map().tolist() == [[0, 1, 1, 0]]


@pytest.mark.parametrize("kind", [Detections, Instances])
def test_a_result_without_objects(kind):
    empty = kind(
        np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0), (3, 5)
    )
    assert len(empty) == 0
    if kind is Instances:
        assert not empty.label_map().any() and list(empty.masks()) == []


def test_objects_are_counted_by_class_in_order_of_id():
    found = detections(3)
    assert found[np.array([2, 0, 2])].counts(INFO) == {"road": 1, "sky": 2}
    assert found[np.zeros(0, int)].counts(INFO) == {}


def test_boxes_without_masks_cover_the_pixels_that_they_touch():
    found = Detections(
        np.float32([[0.5, 0, 2, 1.5], [1, 1, 9, 9]]),
        np.int32([2, 1]),
        np.float32([0.9, 0.8]),
        (3, 4),
    )
    assert found.label_map().tolist() == [[1, 1, 0, 0], [1, 1, 2, 2], [0, 2, 2, 2]]
    assert found.to_semantic().labels[0].tolist() == [2, 2, 255, 255]


def test_outside_of_its_crop_nothing_is_of_the_object():
    # The box was smoothed and is larger than the crop; columns 2 and 3 are known.
    found = instance((1, 0, 6, 1), [[1.0, 1.0]], span=(2, 0, 4, 1))
    ((rows, columns, mask),) = found.masks()
    assert columns == slice(1, 6)
    assert mask.tolist() == [[False, True, True, False, False]]
    apart = instance((0, 0, 2, 1), [[1.0]], span=(4, 0, 6, 1))
    assert not next(apart.masks())[2].any()


def test_masks_equal_bilinear_sampling_at_pixel_centres():
    random = np.random.default_rng(0)
    crop = random.normal(size=(5, 7)).astype(np.float32)
    span, box = (3.25, 2.5, 31.25, 24.5), (6.5, 4.25, 27, 20.75)
    ((rows, columns, mask),) = instance(box, crop, (40, 50), span).masks()

    def values_along(axis, cells, places):
        return np.stack([np.interp(places, np.arange(len(c)), c) for c in cells], axis)

    x = (np.arange(columns.start, columns.stop) + 0.5 - 3.25) * 7 / 28 - 0.5
    y = (np.arange(rows.start, rows.stop) + 0.5 - 2.5) * 5 / 22 - 0.5
    values = values_along(1, values_along(0, crop, x).T, y)
    clear = np.abs(values) > 0.03  # older versions of OpenCV round positions
    assert (mask == (values > 0))[clear].all() and clear.mean() > 0.9

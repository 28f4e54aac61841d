"""Tracks of objects that are made by hand, and of moving scenes."""

import cv2
import numpy as np
import pytest

from edge.predict.results import Detections, Instances
from edge.predict.tracking import Tracker
from edge.video.scenes import scene_objects

SIZE = (100, 200)


def found(*boxes, scores=None, classes=None, size=SIZE) -> Detections:
    count = len(boxes)
    return Detections(
        np.float32(boxes).reshape(-1, 4),
        np.int32(classes or [0] * count),
        np.float32(scores or [0.9] * count),
        size,
    )


def square(x, y, side=20):
    return (x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def ids_of(tracker, frames) -> list[list[int]]:
    return [tracker(frame).track_ids.tolist() for frame in frames]


def test_an_object_is_shown_once_it_was_found_twice():
    one = found(square(50, 50))
    assert ids_of(Tracker(), [one, one, one]) == [[], [1], [1]]


def test_an_object_that_is_found_once_is_never_shown():
    one, other = found(square(50, 50)), found(square(150, 50))
    frames = [one, other, one, other]
    assert ids_of(Tracker(), frames) == [[], [], [], []]


def test_the_order_of_the_result_is_kept():
    one = found(square(50, 50), square(150, 50))
    swapped = one[np.array([1, 0])]
    assert ids_of(Tracker(), [one, one, swapped]) == [[], [1, 2], [2, 1]]


def test_numbers_are_never_used_twice():
    one, other, nothing = found(square(50, 50)), found(square(150, 50)), found()
    tracker = Tracker(max_lost=1)
    frames = [one, one, nothing, nothing, other, other, one, one]
    assert ids_of(tracker, frames) == [[], [1], [], [], [], [2], [], [3]]


@pytest.mark.parametrize(("gap", "number"), [(0, 1), (15, 1), (16, 2)])
def test_a_lost_object_is_remembered_for_a_while(gap, number):
    one = found(square(50, 50))
    frames = [one, one, *[found()] * gap, one, one]
    assert ids_of(Tracker(), frames)[-1] == [number]


def test_a_moving_object_is_expected_further_on():
    # 6 pixels a frame: after a gap of 4 frames it is 30 pixels on, beyond its old box.
    frames = [found(square(30 + 6 * time, 50)) for time in range(20)]
    frames[10:14] = [found()] * 4
    assert ids_of(Tracker(), frames)[14:] == [[1]] * 6


def test_a_low_score_continues_a_track_and_starts_none():
    good, poor = found(square(50, 50)), found(square(50, 50), scores=[0.2])
    assert ids_of(Tracker(), [poor, poor, good, good, poor, poor]) == [
        [], [], [], [1], [1], [1],
    ]  # fmt: skip
    lower = found(square(50, 50), scores=[0.05])
    assert ids_of(Tracker(), [good, good, lower, good]) == [[], [1], [], [1]]


def test_high_scores_are_matched_first():
    both = found(square(53, 50), square(50, 50), scores=[0.8, 0.3])
    first = found(square(50, 50))
    tracker = Tracker()
    ids_of(tracker, [first, first])
    result = tracker(both)
    # The low score is nearer, but the object with the high score takes the track.
    assert result.track_ids.tolist() == [1] and result.scores.tolist() == [
        pytest.approx(0.8)
    ]


def test_a_track_has_one_class():
    cat = found(square(50, 50))
    dog = found(square(50, 50), classes=[1])
    assert ids_of(Tracker(), [cat, cat, dog, dog]) == [[], [1], [], [2]]


def test_frames_of_another_size_start_again():
    one = found(square(50, 50))
    other = found(square(50, 50), size=(120, 200))
    assert ids_of(Tracker(), [one, one, other, other]) == [[], [1], [], [2]]


def crossing(time: int) -> Detections:
    """Two objects of a class on two lines 12 pixels apart, of 20 pixels a side.

    While they pass each other only the one in front is found.
    """
    x = 20 + 4 * time
    if abs(x - (200 - x)) < 16:
        return found(square(x, 44))
    return found(square(x, 44), square(200 - x, 56))


def test_two_objects_that_cross_keep_their_numbers():
    tracker = Tracker()
    owners: dict[int, set[bool]] = {}
    shown = 0
    for time in range(40):
        result = tracker(crossing(time))
        for number, box in zip(result.track_ids.tolist(), result.boxes, strict=True):
            owners.setdefault(number, set()).add(bool(box[1] < 40))
            shown += 1
    assert owners == {1: {True}, 2: {False}}
    assert shown >= 2 * 39 - 5


def visible_boxes(seed: int, time: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers, classes and boxes of the objects of a scene with 16 visible pixels."""
    _, instances, class_ids = scene_objects(seed, 0, (96, 96), time)
    areas = np.bincount(instances.ravel(), minlength=len(class_ids) + 1)[1:]
    numbers = np.flatnonzero(areas >= 16)
    corners = [cv2.boundingRect(np.uint8(instances == k + 1)) for k in numbers]
    boxes = np.float32([(x, y, x + w, y + h) for x, y, w, h in corners])
    return numbers, class_ids[numbers], boxes


def test_objects_of_a_moving_scene_keep_their_numbers():
    random, tracker = np.random.default_rng(0), Tracker()
    last: dict[int, int] = {}
    objects = shown = switches = 0
    for time in range(300):
        numbers, class_ids, boxes = visible_boxes(1, time)
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        boxes = np.float32(boxes + sides * random.uniform(-0.05, 0.05, boxes.shape))
        # The score says in the result which object it is.
        scores = np.float32(0.9 - numbers / 100)
        result = tracker(Detections(boxes, class_ids, scores, (96, 96)))
        for score, track in zip(result.scores, result.track_ids.tolist(), strict=True):
            number = round(float(0.9 - score) * 100)
            switches += last.setdefault(number, track) != track
            last[number] = track
        objects, shown = objects + len(numbers), shown + len(result)
    assert objects > 1500 and shown > 0.97 * objects
    assert switches <= 0.02 * objects


def test_steady_boxes_tremble_less_and_do_not_lag():
    random = np.random.default_rng(1)
    true = [np.float32(square(20 + 2 * time, 50)) for time in range(80)]
    given = [found(box + random.normal(0, 1, 4)) for box in true]
    tracker = Tracker(steady=True)
    errors = []
    for frame, box in zip(given, true, strict=True):
        result = tracker(frame)
        if len(result):
            errors.append((frame.boxes[0] - box, result.boxes[0] - box))
    before, after = np.moveaxis(np.float32(errors[10:]), 1, 0)
    assert after.std() < 0.9 * before.std()
    assert np.abs(after.mean(axis=0)).max() < 0.3


def test_steady_boxes_stay_in_the_image():
    tracker = Tracker(steady=True)
    for time in range(4):
        result = tracker(found((190 - 9 * time, 0, 200, 40)))
    assert (result.boxes >= 0).all() and (result.boxes <= [200, 100, 200, 100]).all()


def test_the_given_boxes_are_unchanged_without_steady():
    frames = [found(square(50 + time, 50)) for time in range(3)]
    tracker = Tracker()
    for frame in frames:
        result = tracker(frame)
    np.testing.assert_array_equal(result.boxes, frames[-1].boxes)


@pytest.mark.parametrize("steady", [False, True])
def test_masks_go_with_their_objects(steady):
    # Two objects; the first is below the threshold.
    boxes = np.float32([square(50, 50), square(150, 50)])
    crops = (np.full((4, 4), -1, np.float32), np.full((5, 5), 1, np.float32))
    tracker = Tracker(steady=steady)
    for time in range(3):
        moved = boxes + np.float32([time, 0, time, 0])
        scores = np.float32([0.05, 0.9])
        result = tracker(
            Instances(
                moved,
                np.int32([0, 1]),
                scores,
                SIZE,
                mask_crops=crops,
                mask_spans=moved,
            )
        )
    assert isinstance(result, Instances)
    assert result.track_ids.tolist() == [1] and result.class_ids.tolist() == [1]
    ((rows, columns, mask),) = result.masks()
    # All cells are positive, so the mask fills the common part of box and cells.
    assert mask.shape == (rows.stop - rows.start, columns.stop - columns.start)
    assert np.count_nonzero(mask) >= 20 * 19


def test_no_objects_at_all():
    result = Tracker()(found())
    assert len(result) == 0 and result.track_ids.dtype == np.int32

"""The evaluator of objects: its metrics by hand, agreement, refused results."""

import json

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.data.shapes import open_shapes
from kseg.evaluation.objects import (
    ObjectEvaluator,
    detection_evaluator,
    instance_evaluator,
)
from tests.support.objects import (
    detections_of,
    instances_of,
    objects_of,
    random_image,
)

NAMES = ("disc", "square")
BOXES = [(0, 0, 10, 10), (30, 0, 40, 10)]
KINDS = ("wrong_class", "poorly_placed", "duplicate", "background", "missed")


def evaluated(*pairs, masks=True, fast=False) -> ObjectEvaluator:
    evaluator = ObjectEvaluator(NAMES, masks, fast)
    for pair in pairs:
        evaluator.add(*pair)
    return evaluator


def test_metrics_by_hand():
    """Class disc is right. Class square: found at 0.8 with IoU 0.8, and a false one
    before it: precision 1/2 at the thresholds 0.50 to 0.80, 7 of 10."""
    found = evaluated(
        (
            objects_of(BOXES, [0, 1]),
            instances_of(
                [BOXES[0], (70, 70, 80, 80), (30, 0, 38, 10)],
                [0, 1, 1],
                [0.95, 0.9, 0.8],
            ),
        )
    )
    metrics = found.metrics()
    assert found.headline == "mask_ap"
    assert metrics["mask_ap"] == pytest.approx((1 + 0.5 * 7 / 10) / 2)
    assert metrics["box_ap"] == pytest.approx(metrics["mask_ap"])
    assert metrics["mask_ap50"] == metrics["mask_ap75"] == pytest.approx(0.75)
    assert metrics["mask_ap_medium"] is None
    assert metrics["per_class"] == {
        "disc": {
            "ap": pytest.approx(1),
            "ap50": pytest.approx(1),
            "objects": 1,
            "best_score": pytest.approx(0.95),
            "best_f1": 1,
        },
        "square": {
            "ap": pytest.approx(0.35),
            "ap50": pytest.approx(0.5),
            "objects": 1,
            "best_score": pytest.approx(0.8),
            "best_f1": pytest.approx(2 / 3),
        },
    }
    assert metrics["pq"] == pytest.approx((1 + 0.8 / 1.5) / 2)
    assert metrics["accuracy50"] == pytest.approx(2 / 3)
    assert metrics["count_error"] == 1
    assert metrics["errors"] == dict(zip(KINDS, (0, 0, 0, 1, 0), strict=True))
    assert (metrics["images"], metrics["objects"]) == (1, 2)
    assert metrics["max_detections"] == 100
    assert found.value() == metrics["mask_ap"]


def test_boxes_alone():
    pair = objects_of(BOXES, [0, 1], masks=False), detections_of(BOXES, [0, 1], [1, 1])
    found = evaluated(pair, masks=False)
    metrics = found.metrics()
    assert found.headline == "box_ap" and metrics["box_ap"] == found.value()
    assert found.value() == pytest.approx(1)
    assert not {"mask_ap", "pq"} & set(metrics)


def test_the_count_error_is_the_mean_over_images_without_crowds():
    """3 found of 1, 0 of 2: (2 + 2) / 2; results under 0.30 do not count."""
    disc = BOXES[0]
    found = evaluated(
        (
            objects_of([disc], [0]),
            detections_of([disc] * 4, [0] * 4, [0.9, 0.5, 0.3, 0.29]),
        ),
        (objects_of(BOXES, [0, 1]), detections_of([], [], [])),
        (objects_of([disc], [0], [True]), detections_of([disc] * 9, [0] * 9, [1] * 9)),
        masks=False,
    )
    assert found.metrics()["count_error"] == 2


def test_fast_computes_the_headline_alone():
    random = np.random.RandomState(5)
    pairs = [random_image(random, (60, 80), 2, 6) for _ in range(4)]
    fast, full = evaluated(*pairs, fast=True), evaluated(*pairs)
    assert fast.value() == full.value() > 0
    metrics, expected = fast.metrics(), full.metrics()
    assert metrics["mask_ap"] == expected["mask_ap"] and "box_ap" not in metrics
    assert metrics["per_class"]["disc"]["ap"] == expected["per_class"]["disc"]["ap"]
    assert not fast.outcomes


def test_the_order_of_results_does_not_matter():
    random = np.random.RandomState(8)
    pairs = [random_image(random, (60, 80), 2, 6) for _ in range(4)]
    # Different scores, because the order decides between equal ones.
    turned = [
        (t, r[np.argsort(np.random.RandomState(1).uniform(size=len(r)))])
        for t, r in pairs
    ]
    same = [len(set(r.scores.tolist())) == len(r) for _, r in pairs]
    chosen = [i for i, unique in enumerate(same) if unique]
    assert chosen
    first = evaluated(*(pairs[i] for i in chosen)).metrics()
    assert evaluated(*(turned[i] for i in chosen)).metrics() == first


def test_more_images_change_the_value():
    found = evaluated((objects_of(BOXES, [0, 0]), instances_of(BOXES, [0, 0], [1, 1])))
    assert found.value() == pytest.approx(1)
    found.add(objects_of(BOXES, [0, 0]), instances_of([], [], []))
    assert found.value() == pytest.approx(51 / 101)  # half of the objects are found


def test_nothing_found_is_zero():
    found = evaluated((objects_of(BOXES, [0, 1]), instances_of([], [], [])))
    metrics = found.metrics()
    assert found.value() == metrics["mask_ap"] == metrics["pq"] == 0
    assert metrics["accuracy50"] == 0 and metrics["errors"]["missed"] == 2


@pytest.mark.parametrize("fast", [False, True])
def test_nothing_labelled_is_none_and_the_value_is_refused(fast):
    found = evaluated((objects_of([], []), instances_of(BOXES, [0, 1], [1, 1])))
    for evaluator in (found, evaluated(fast=fast)):
        metrics = evaluator.metrics()
        assert metrics["mask_ap"] is None and metrics["mask_ar100"] is None
        assert metrics["per_class"]["disc"]["ap"] is None
        assert metrics.get("pq") is metrics.get("accuracy50") is None
        json.dumps(metrics, allow_nan=False)
        with pytest.raises(InputError, match="no object is labelled in this split"):
            evaluator.value()


@pytest.mark.parametrize("seed", range(3))
def test_metrics_are_json_without_nan(seed):
    random = np.random.RandomState(seed)
    pairs = [random_image(random, (40, 50), 2, 4) for _ in range(3)]
    json.dumps(evaluated(*pairs).metrics(), allow_nan=False)


def test_agreement_by_hand():
    """Of 3 and 2 results: one pair is equal, one has another class."""
    evaluator = ObjectEvaluator(NAMES, masks=True)
    boxes = [*BOXES, (60, 0, 70, 10)]
    expected = instances_of(boxes, [0, 1, 0], [0.9, 0.8, 0.3])
    found = instances_of(
        [(0, 0, 10, 9), BOXES[1], boxes[2]], [0, 0, 0], [0.9, 0.8, 0.2]
    )
    assert evaluator.agreement(expected, found) == (1, 3)
    assert evaluator.agreement(expected, expected) == (3, 3)
    none = instances_of([], [], [])
    assert evaluator.agreement(expected, none) == (0, 3)
    assert evaluator.agreement(none, none) == (0, 0)


def test_differences_by_hand():
    """Rows 0 to 8 of 10 and a score 0.1 lower; of another class; a score too low."""
    evaluator = ObjectEvaluator(NAMES, masks=True)
    boxes = [*BOXES, (60, 0, 70, 10)]
    expected = instances_of(boxes, [0, 1, 0], [0.9, 0.8, 0.5])
    found = instances_of(
        [(0, 0, 10, 8), BOXES[1], boxes[2]], [0, 0, 0], [0.8, 0.7, 0.2]
    )
    values = evaluator.differences(expected, found)
    assert values["mean_matched_iou"] == pytest.approx([0.8])
    assert values["score_difference"] == pytest.approx([0.1])
    none = instances_of([], [], [])
    assert evaluator.differences(none, found) == {
        "mean_matched_iou": [],
        "score_difference": [],
    }


def test_agreement_of_boxes_needs_an_iou_of_nine_tenths():
    evaluator = ObjectEvaluator(NAMES, masks=False)
    whole = detections_of([(0, 0, 10, 10)], [0], [0.9])
    for side, equal in ((9, 1), (8.9, 0)):
        part = detections_of([(0, 0, 10, side)], [0], [0.9])
        assert evaluator.agreement(whole, part) == (equal, 1)


@pytest.mark.parametrize(
    ("target", "result", "message"),
    [
        (
            objects_of([], []),
            instances_of(BOXES, [0, 2], [1, 1]),
            "the model predicts class 2, but the data have only 2 classes; use data",
        ),
        (
            objects_of(BOXES, [0, 1], masks=False),
            instances_of(BOXES, [0, 1], [1, 1]),
            "its objects have boxes only, but masks are evaluated",
        ),
        (
            objects_of(BOXES, [0, 1]),
            detections_of(BOXES, [0, 1], [1, 1]),
            "the model predicts boxes only, but the data have masks",
        ),
    ],
)
def test_results_that_do_not_fit_are_refused(target, result, message):
    with pytest.raises(InputError, match=message) as caught:
        evaluated((target, result))
    assert "\n" not in str(caught.value)


def test_the_entries_of_the_tasks():
    data = open_shapes()
    masks, boxes = instance_evaluator(data, fast=True), detection_evaluator(data)
    assert masks.names == data.class_names and masks.masks and masks.fast
    assert not boxes.masks and not boxes.fast
    assert masks.decoder == {"score": 0.05, "max_detections": 1000}

"""AP: the numbers of COCO's own summary, and values by hand."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from kseg.data.objects import mask_window
from kseg.evaluation.metrics.coco_ap import (
    BOX,
    MASK,
    EvaluatedImage,
    average_precision,
)
from kseg.evaluation.metrics.regions import regions_of_objects, regions_of_result
from tests.support.objects import detections_of, objects_of, random_image

SIZE = (60, 80)
CLASSES = 3


def image_of(truth, result, masks=False):
    parts = list(result.masks()) if masks else None
    return EvaluatedImage(
        result.size,
        regions_of_objects(truth, result.size, masks),
        regions_of_result(result, parts),
    )


def whole(rows, columns, mask, size):
    full = np.zeros(size, np.uint8, order="F")
    full[rows, columns] = mask
    return coco_mask.encode(full)


def coco_summary(pairs, kind, limit=100):
    """The 12 numbers that pycocotools prints, of whole-image masks and `loadRes`."""
    truths, results = [], []
    for index, (truth, result) in enumerate(pairs):
        masks = truth.masks or [None] * len(truth.boxes)
        for box, class_id, crowd, mask in zip(
            truth.boxes, truth.class_ids, truth.crowd, masks, strict=True
        ):
            entry = entry_of(index, class_id, box) | {"iscrowd": int(crowd)}
            entry["id"] = len(truths) + 1
            if mask is not None:
                t, b, left, r = mask_window(box)
                entry["area"] = int(mask.sum())
                rows, columns = slice(t, b), slice(left, r)
                entry["segmentation"] = whole(rows, columns, mask, result.size)
            truths.append(entry)
        parts = list(result.masks()) if kind == MASK else [None] * len(result)
        for box, class_id, score, part in zip(
            result.boxes, result.class_ids, result.scores, parts, strict=True
        ):
            entry = entry_of(index, class_id, box) | {"score": float(score)}
            if part is not None:
                entry = {k: v for k, v in entry.items() if k not in ("bbox", "area")}
                entry["segmentation"] = whole(*part, result.size)
            results.append(entry)
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [
            {"id": i, "height": r.size[0], "width": r.size[1]}
            for i, (_, r) in enumerate(pairs)
        ],
        "categories": [{"id": i} for i in range(CLASSES)],
        "annotations": truths,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), kind)
        evaluation.params.maxDets = [1, 10, limit]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def entry_of(index, class_id, box):
    x0, y0, x1, y1 = (float(v) for v in box)
    extent = [x0, y0, x1 - x0, y1 - y0]
    area = extent[2] * extent[3]
    return {
        "image_id": index,
        "category_id": int(class_id),
        "bbox": extent,
        "area": area,
    }


@pytest.mark.parametrize("kind", [BOX, MASK])
@pytest.mark.parametrize("seed", range(50))
def test_all_twelve_numbers_are_those_of_coco(seed, kind):
    random = np.random.RandomState(seed)
    pairs = [random_image(random, SIZE, CLASSES, 6) for _ in range(5)]
    pairs.append((objects_of([], []), pairs[0][1]))  # nothing is labelled
    images = [image_of(*pair, masks=True) for pair in pairs]
    found = average_precision(images, CLASSES, kind).twelve()
    expected = [None if x < 0 else x for x in coco_summary(pairs, kind)]
    for value, number in zip(found, expected, strict=True):
        assert value == (number if number is None else pytest.approx(number, abs=1e-12))
    assert found[0] is None or 0 < found[0] < 1


def test_two_hits_and_a_false_one_between_them():
    """Precision 1 up to recall 0.5 (51 points), then 2/3 (50 points)."""
    boxes = [(0, 0, 10, 10), (20, 0, 30, 10)]
    result = detections_of(
        [boxes[0], (60, 60, 70, 70), boxes[1]], [0, 0, 0], [0.9, 0.8, 0.7]
    )
    found = average_precision(
        [image_of(objects_of(boxes, [0, 0]), result)], CLASSES, BOX
    )
    assert found.ap(0.5) == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-12)
    assert round(found.ap(0.5), 5) == 0.83498
    assert found.ap(0.5, class_id=0) == found.ap(0.5)
    assert found.ap(0.5, class_id=1) is None and found.curve(1, 0.5) is None
    curve = found.curve(0, 0.5)
    assert curve[:51].tolist() == pytest.approx([1] * 51)
    assert curve[51:].tolist() == pytest.approx([2 / 3] * 50)


def test_the_iou_decides_at_each_threshold():
    """A box of 10x10 found as 7x10: IoU 0.7, found at 0.50 to 0.70, 5 of 10."""
    image = image_of(
        objects_of([(0, 0, 10, 10)], [0]), detections_of([(0, 0, 7, 10)], [0], [0.9])
    )
    found = average_precision([image], 1, BOX)
    assert found.ap() == pytest.approx(0.5) and found.ap(0.75) == 0
    assert found.metrics("box") == {
        "box_ap": pytest.approx(0.5),
        "box_ap50": pytest.approx(1),
        "box_ap75": 0,
        "box_ap_small": pytest.approx(0.5),
        "box_ap_medium": None,
        "box_ap_large": None,
        "box_ar100": pytest.approx(0.5),
    }


def grid(count, side=4):
    """Boxes that do not touch, in rows of 20."""
    return [
        (x, y, x + side, y + side)
        for x, y in ((5 * (i % 20), 5 * (i // 20)) for i in range(count))
    ]


def test_more_than_100_objects_of_an_image_count_in_full():
    """With COCO's 100 the recall would be 100 of 120."""
    boxes = grid(120)
    truth = objects_of(boxes, [0] * 120)
    result = detections_of(boxes, [0] * 120, np.linspace(1, 0.5, 120))
    found = average_precision([image_of(truth, result)], CLASSES, BOX)
    assert found.limits == (1, 10, 100, 240)
    assert found.ap() == pytest.approx(1) and found.ar(100) == pytest.approx(100 / 120)
    assert coco_summary([(truth, result)], BOX)[0] < 0.84
    expected = coco_summary([(truth, result)], BOX, limit=240)
    # summarize() reads the first number at 100 results, and gives -1 without that.
    assert expected[0] == -1
    assert found.twelve()[1:3] == pytest.approx(expected[1:3], abs=1e-12)


def test_nothing_found_is_zero_and_nothing_labelled_is_none():
    none = detections_of([], [], [])
    labelled = image_of(objects_of([(0, 0, 9, 9)], [1]), none)
    found = average_precision([labelled], CLASSES, BOX)
    assert found.ap() == found.ap(0.5) == found.ar(100) == 0
    empty = image_of(objects_of([], []), detections_of([(0, 0, 9, 9)], [1], [0.9]))
    for images in ([empty], []):
        found = average_precision(images, CLASSES, BOX)
        assert found.twelve() == [None] * 12
        assert set(found.metrics("box").values()) == {None}


def test_images_can_be_evaluated_again():
    """COCOeval writes into its annotations, which are made anew each time."""
    random = np.random.RandomState(3)
    images = [image_of(*random_image(random, SIZE, CLASSES, 6), True) for _ in range(4)]
    first, _, again = (
        average_precision(images, CLASSES, kind) for kind in (MASK, BOX, MASK)
    )
    assert first.twelve() == again.twelve()
    fast = average_precision(images, CLASSES, MASK, by_area=False)
    assert fast.ap() == first.ap() and fast.precision.shape[-1] == 1


def test_nothing_is_printed(capsys):
    image = image_of(objects_of([], []), detections_of([], [], []))
    average_precision([image], 1, BOX)
    assert capsys.readouterr().out == ""

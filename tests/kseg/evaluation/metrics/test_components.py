import contextlib
import io

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from skimage.measure import label

from kseg.evaluation.metrics.components import Components, average_precision, match

SURE = np.array([0.9, 0.5])  # class 0 and class 1, where nothing else is said

# fmt: off
# Class 1 is two things in truth: one of 2x2 and one of a single pixel.
TRUTH = np.array([[0, 0, 0, 0, 0, 0],
                  [0, 1, 1, 0, 0, 0],
                  [0, 1, 1, 0, 0, 1],
                  [0, 0, 0, 0, 0, 0]])
# Predicted are three: half of the first, the second exactly, and one that is nothing.
LABELS = np.array([[0, 0, 0, 0, 0, 0],
                   [0, 1, 1, 0, 0, 0],
                   [0, 0, 0, 0, 0, 1],
                   [1, 0, 0, 0, 0, 0]])
# fmt: on


def confidence_of(labels):
    return SURE[labels].astype(np.float32)


def test_what_is_found_by_hand():
    """Of class 1: IoU 2/4, 1/1 and none; of class 0: 18 of 20 pixels, 18/20."""
    rows, truths = match(TRUTH, LABELS, confidence_of(LABELS))
    assert sorted(truths) == [0, 1, 1]
    found = [(int(c), round(sure, 3), int(hit)) for c, sure, hit in rows]
    assert sorted(found) == [(0, 0.9, 1), (1, 0.5, 0), (1, 0.5, 1), (1, 0.5, 1)]


def test_less_than_half_is_not_found():
    truth = np.array([[1, 1, 1, 1, 0]])
    for count, hit in (1, 0), (2, 1), (4, 1):
        labels = np.array([[1] * count + [0] * (5 - count)])
        rows, _ = match(truth, labels, confidence_of(labels))
        assert rows[rows[:, 0] == 1][0, 2] == hit


def test_regions_touch_across_corners():
    ids = np.array([[1, 0], [0, 1]])
    rows, truths = match(ids, ids, confidence_of(ids))
    assert len(rows) == 2 and sorted(truths) == [0, 1]


def test_confidence_is_the_mean_over_a_region():
    labels = np.array([[1, 1, 0, 1]])
    confidence = np.array([[0.2, 0.4, 0.7, 0.9]], np.float32)
    rows, _ = match(labels, labels, confidence)
    assert rows[:, :2].round(5).tolist() == [[1, 0.3], [0, 0.7], [1, 0.9]]


def test_void_counts_in_no_area_and_cuts_no_prediction():
    # The prediction goes on through the void: one region of two pixels that count.
    truth = np.array([[1, 255, 255, 1, 0], [255] * 5])
    labels = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 2]])
    confidence = np.full(labels.shape, 0.5, np.float32)
    rows, truths = match(truth, labels, confidence)
    assert sorted(truths) == [0, 1, 1]
    # It is half of each of the two truths together: an IoU of 1/2 with either.
    assert rows.tolist() == [[1, 0.5, 1], [0, 0.5, 1]]


def test_void_alone_has_nothing():
    rows, truths = match(np.full((2, 3), 255), np.zeros((2, 3), int), np.ones((2, 3)))
    assert rows.shape == (0, 3) and truths.size == 0


@pytest.mark.parametrize(
    ("confidence", "hit", "truths", "expected"),
    [
        ([0.9], [1], 1, 1),
        ([0.9], [0], 1, 0),
        ([0.8, 0.9], [1, 0], 1, 1 / 2),  # the surer one is wrong: precision 1/2
        ([0.9, 0.8], [1, 0], 1, 1),  # the wrong one comes after all were found
        # Recalls up to 1/2 at precision 1, 51 of 101; those beyond are never reached.
        ([0.9, 0.8], [1, 0], 2, 51 / 101),
        # 0, 1, 1: precision 0, 1/2, 2/3; at every recall the best to come is 2/3.
        ([0.9, 0.8, 0.7], [0, 1, 1], 2, 2 / 3),
    ],
)
def test_average_precision_by_hand(confidence, hit, truths, expected):
    found = average_precision(np.array(confidence), np.array(hit), truths)
    assert found == pytest.approx(expected)


def test_pictures_are_ranked_together():
    """A sure mistake in one picture costs the find in the other."""
    tally = Components(2)
    for labels, sure in (np.array([[0, 1]]), 0.6), (np.array([[1, 0]]), 0.8):
        tally.add(np.array([[0, 1]]), labels, np.full((1, 2), sure, np.float32))
    assert tally.average_precision().tolist() == [51 / 101 * 1 / 2] * 2


def test_what_the_truth_lacks_has_no_figure():
    tally = Components(3)
    tally.add(TRUTH, LABELS, confidence_of(LABELS))
    assert np.isnan(tally.average_precision()[2])
    assert not np.isnan(tally.average_precision()[:2]).any()


def test_without_confidence_there_is_no_figure():
    tally = Components(2)
    tally.add(TRUTH, LABELS, confidence_of(LABELS))
    tally.add(TRUTH, LABELS, None)
    tally.add(TRUTH, LABELS, confidence_of(LABELS))
    assert np.isnan(tally.average_precision()).all()
    assert np.isnan(Components(2).average_precision()).all()


def coco_ap50(pictures, num_classes):
    """AP50 per class by pycocotools, of the components of each picture."""
    truths, found = [], []
    for index, (mask, labels, confidence) in enumerate(pictures):
        for ids, target in (mask, truths), (labels, found):
            parts = label(ids, background=255, connectivity=2)
            for number in range(1, parts.max() + 1):
                region = parts == number
                coded = rle.encode(np.asfortranarray(region.astype(np.uint8)))
                entry = {
                    "id": len(target) + 1,
                    "image_id": index,
                    "category_id": int(ids[region][0]),
                    "segmentation": coded,
                    "area": int(region.sum()),
                    "bbox": rle.toBbox(coded).tolist(),
                    "iscrowd": 0,
                }
                if target is found:
                    entry["score"] = float(confidence[region].mean(dtype=float))
                target.append(entry)
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [
            {"id": i, "height": mask.shape[0], "width": mask.shape[1]}
            for i, (mask, _, _) in enumerate(pictures)
        ],
        "categories": [{"id": i} for i in range(num_classes)],
        "annotations": truths,
    }
    coco.createIndex()
    judge = COCOeval(coco, coco.loadRes(found), "segm")
    judge.params.iouThrs = np.array([0.5])
    judge.params.maxDets = [10_000]
    judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
    judge.evaluate()
    judge.accumulate()
    precision = judge.eval["precision"][0, :, :, 0, 0].mean(0)
    return np.where(precision < 0, np.nan, precision)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_cocos(seed):
    """Against pycocotools; class 3 is absent from the truth, class 4 from both."""
    random = np.random.RandomState(seed)
    pictures, tally = [], Components(5)
    for _ in range(4):
        coarse = random.randint(0, 3, (12, 15)).astype(np.uint8)
        mask = cv2.resize(coarse, (60, 48), interpolation=cv2.INTER_NEAREST)
        changed = random.uniform(size=coarse.shape) < 0.2
        coarse[changed] = random.randint(0, 4, changed.sum())
        labels = cv2.resize(coarse, (60, 48), interpolation=cv2.INTER_NEAREST)
        confidence = random.uniform(size=mask.shape).astype(np.float32)
        pictures.append((mask, labels, confidence))
        tally.add(mask, labels, confidence)
    with contextlib.redirect_stdout(io.StringIO()):
        expected = coco_ap50(pictures, 5)
    found = tally.average_precision()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (found[:3] > 0.02).all() and np.isnan(found[3:]).all()

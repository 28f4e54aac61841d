import contextlib
import io

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from skimage.measure import label

from kseg.evaluation.metrics.components import (
    Components,
    average_precision,
    match_components,
)

CONFIDENCE = np.array([0.9, 0.5])  # of class 0 and class 1

# fmt: off
# Class 1 has two true components: one of 2x2 pixels and one of a single pixel.
MASK = np.array([[0, 0, 0, 0, 0, 0],
                  [0, 1, 1, 0, 0, 0],
                  [0, 1, 1, 0, 0, 1],
                  [0, 0, 0, 0, 0, 0]])
# Three are predicted: half of the first, exactly the second, and a false positive.
LABELS = np.array([[0, 0, 0, 0, 0, 0],
                   [0, 1, 1, 0, 0, 0],
                   [0, 0, 0, 0, 0, 1],
                   [1, 0, 0, 0, 0, 0]])
# fmt: on


def confidence_of(labels):
    return CONFIDENCE[labels].astype(np.float32)


def test_matches_by_hand():
    """IoU of class 1: 2/4, 1/1 and 0; of class 0: 18/20."""
    rows, classes = match_components(MASK, LABELS, confidence_of(LABELS))
    assert sorted(classes) == [0, 1, 1]
    found = [(int(c), round(score, 3), int(hit)) for c, score, hit in rows]
    assert sorted(found) == [(0, 0.9, 1), (1, 0.5, 0), (1, 0.5, 1), (1, 0.5, 1)]


def test_an_iou_below_one_half_is_no_match():
    mask = np.array([[1, 1, 1, 1, 0]])
    for count, hit in (1, 0), (2, 1), (4, 1):
        labels = np.array([[1] * count + [0] * (5 - count)])
        rows, _ = match_components(mask, labels, confidence_of(labels))
        assert rows[rows[:, 0] == 1][0, 2] == hit


def test_components_are_8_connected():
    ids = np.array([[1, 0], [0, 1]])
    rows, classes = match_components(ids, ids, confidence_of(ids))
    assert len(rows) == 2 and sorted(classes) == [0, 1]


def test_confidence_is_the_mean_over_a_component():
    labels = np.array([[1, 1, 0, 1]])
    confidence = np.array([[0.2, 0.4, 0.7, 0.9]], np.float32)
    rows, _ = match_components(labels, labels, confidence)
    assert rows[:, :2].round(5).tolist() == [[1, 0.3], [0, 0.7], [1, 0.9]]


def test_void_counts_in_no_area_and_splits_no_prediction():
    # The prediction extends through void: one component with two valid pixels.
    mask = np.array([[1, 255, 255, 1, 0], [255] * 5])
    labels = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 2]])
    confidence = np.full(labels.shape, 0.5, np.float32)
    rows, classes = match_components(mask, labels, confidence)
    assert sorted(classes) == [0, 1, 1]
    # It covers both true components, so its IoU with either is 1/2.
    assert rows.tolist() == [[1, 0.5, 1], [0, 0.5, 1]]


def test_void_only_has_no_components():
    rows, classes = match_components(
        np.full((2, 3), 255), np.zeros((2, 3), int), np.ones((2, 3))
    )
    assert rows.shape == (0, 3) and classes.size == 0


@pytest.mark.parametrize(
    ("confidence", "hit", "true_count", "expected"),
    [
        ([0.9], [1], 1, 1),
        ([0.9], [0], 1, 0),
        ([0.8, 0.9], [1, 0], 1, 1 / 2),  # the more confident one is wrong
        ([0.9, 0.8], [1, 0], 1, 1),  # the wrong one comes after recall 1
        # 51 of 101 recalls, up to 1/2, have precision 1; the others are not reached.
        ([0.9, 0.8], [1, 0], 2, 51 / 101),
        # 0, 1, 1: precision 0, 1/2, 2/3; the highest at any later recall is 2/3.
        ([0.9, 0.8, 0.7], [0, 1, 1], 2, 2 / 3),
    ],
)
def test_average_precision_by_hand(confidence, hit, true_count, expected):
    found = average_precision(np.array(confidence), np.array(hit), true_count)
    assert found == pytest.approx(expected)


def test_components_of_all_images_are_ranked_together():
    """A confident error in one image lowers the precision in the other."""
    components = Components(2)
    for labels, score in (
        (np.array([[0, 1]]), 0.6),
        (np.array([[1, 0]]), 0.8),
    ):
        components.add(np.array([[0, 1]]), labels, np.full((1, 2), score, np.float32))
    assert components.average_precision().tolist() == [51 / 101 * 1 / 2] * 2


def test_a_class_without_true_components_is_nan():
    components = Components(3)
    components.add(MASK, LABELS, confidence_of(LABELS))
    assert np.isnan(components.average_precision()[2])
    assert not np.isnan(components.average_precision()[:2]).any()


def test_without_confidence_all_classes_are_nan():
    components = Components(2)
    components.add(MASK, LABELS, confidence_of(LABELS))
    components.add(MASK, LABELS, None)
    components.add(MASK, LABELS, confidence_of(LABELS))
    assert np.isnan(components.average_precision()).all()
    assert np.isnan(Components(2).average_precision()).all()


def coco_ap50(images, num_classes):
    """AP50 per class by pycocotools, of the components of each image."""
    annotations, found = [], []
    for index, (mask, labels, confidence) in enumerate(images):
        for ids, target in (mask, annotations), (labels, found):
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
            for i, (mask, _, _) in enumerate(images)
        ],
        "categories": [{"id": i} for i in range(num_classes)],
        "annotations": annotations,
    }
    coco.createIndex()
    evaluator = COCOeval(coco, coco.loadRes(found), "segm")
    evaluator.params.iouThrs = np.array([0.5])
    evaluator.params.maxDets = [10_000]
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluator.evaluate()
    evaluator.accumulate()
    precision = evaluator.eval["precision"][0, :, :, 0, 0].mean(0)
    return np.where(precision < 0, np.nan, precision)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_equals_pycocotools(seed):
    """Class 3 is absent from the masks, class 4 from the predictions too."""
    random = np.random.RandomState(seed)
    images, components = [], Components(5)
    for _ in range(4):
        coarse = random.randint(0, 3, (12, 15)).astype(np.uint8)
        mask = cv2.resize(coarse, (60, 48), interpolation=cv2.INTER_NEAREST)
        changed = random.uniform(size=coarse.shape) < 0.2
        coarse[changed] = random.randint(0, 4, changed.sum())
        labels = cv2.resize(coarse, (60, 48), interpolation=cv2.INTER_NEAREST)
        confidence = random.uniform(size=mask.shape).astype(np.float32)
        images.append((mask, labels, confidence))
        components.add(mask, labels, confidence)
    with contextlib.redirect_stdout(io.StringIO()):
        expected = coco_ap50(images, 5)
    found = components.average_precision()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (found[:3] > 0.02).all() and np.isnan(found[3:]).all()

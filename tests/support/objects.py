"""Objects and results made by hand or at random, for tests of their evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.predict.results import Detections, Instances
from kseg.data.objects import mask_window
from kseg.data.sample import Objects
from tests.support.object_results import detections, instances

Box = tuple[float, float, float, float]  # x0, y0, x1, y1, ends exclusive
LOGIT = 8.0  # of a pixel inside a mask; outside it is negative


def objects_of(
    boxes: Sequence[Box],
    class_ids: Sequence[int],
    crowd: Sequence[bool] = (),
    masks: bool = True,
) -> Objects:
    """Objects that fill their boxes."""
    boxes_array = np.float32(boxes).reshape(-1, 4)
    windows = [mask_window(box) for box in boxes_array]
    full = tuple(np.ones((b - t, r - left), bool) for t, b, left, r in windows)
    return Objects(
        boxes_array,
        np.int32(class_ids),
        np.array(crowd or [False] * len(boxes), bool),
        full if masks else None,
    )


def detections_of(
    boxes: Sequence[Box],
    class_ids: Sequence[int],
    scores: Sequence[float],
    size: tuple[int, int] = (100, 100),
) -> Detections:
    """`object_results.detections`, given by columns."""
    return detections(*rows_of(boxes, class_ids, scores), size=size)


def instances_of(
    boxes: Sequence[Box],
    class_ids: Sequence[int],
    scores: Sequence[float],
    size: tuple[int, int] = (100, 100),
) -> Instances:
    """`object_results.instances`, given by columns: masks fill their boxes."""
    return instances(*rows_of(boxes, class_ids, scores), size=size)


def rows_of(
    boxes: Sequence[Box], class_ids: Sequence[int], scores: Sequence[float]
) -> list[tuple]:
    """(class id, score, x0, y0, x1, y1) of each object."""
    rows = zip(boxes, class_ids, scores, strict=True)
    return [(class_id, score, *box) for box, class_id, score in rows]


def random_image(
    random: np.random.RandomState, size: tuple[int, int], num_classes: int, most: int
) -> tuple[Objects, Instances]:
    """Up to `most` random objects, and results near them and elsewhere.

    Some objects are crowds, some images have no objects or no results. Scores have two
    digits, so that some are equal.
    """
    boxes = [random_box(random, size) for _ in range(random.randint(0, most + 1))]
    ids = random.randint(0, num_classes, len(boxes))
    crowd = random.uniform(size=len(boxes)) < 0.15
    masks = tuple(random_mask(random, box) for box in boxes)
    truth = Objects(np.float32(boxes).reshape(-1, 4), np.int32(ids), crowd, masks)
    found, found_ids, crops = [], [], []
    for box, class_id, mask in zip(boxes, ids, masks, strict=True):
        for _ in range(random.randint(0, 3)):
            found.append(np.float32(box) + random.randint(-1, 2, 4) / 2)
            changed = random.uniform() < 0.1
            found_ids.append(random.randint(num_classes) if changed else class_id)
            crops.append(np.where(mask, LOGIT, -LOGIT).astype(np.float32))
    for _ in range(random.randint(0, 4) if random.uniform() < 0.8 else 0):
        found.append(random_box(random, size))
        found_ids.append(random.randint(num_classes))
        crops.append(np.full((2, 2), LOGIT, np.float32))
    scores = np.float32(np.round(random.uniform(size=len(found)), 2))
    order = np.argsort(-scores, kind="stable")
    spans = np.float32(found).reshape(-1, 4)
    spans[:, :2] = np.maximum(spans[:, :2], 0)
    spans[:, 2:] = np.minimum(spans[:, 2:], size[::-1])
    plain = np.int32(found_ids)
    result = Instances(spans, plain, scores, size, None, tuple(crops), spans)
    return truth, result[order]


def random_box(random: np.random.RandomState, size: tuple[int, int]) -> Box:
    """A box with sides of 3 or more whole pixels, small ones more often."""
    height, width = (3 + int((s - 3) * random.uniform() ** 2) for s in size)
    top, left = (
        random.randint(size[0] - height + 1),
        random.randint(size[1] - width + 1),
    )
    return left, top, left + width, top + height


def random_mask(random: np.random.RandomState, box: Box) -> np.ndarray:
    """A bool mask of a box, with random corners missing."""
    top, bottom, left, right = mask_window(np.float32(box))
    mask = np.ones((bottom - top, right - left), bool)
    mask[: random.randint(mask.shape[0]), : random.randint(mask.shape[1])] = False
    return mask

"""Average precision of objects, by pycocotools' own COCOeval.

Lin et al., "Microsoft COCO: Common Objects in Context" (ECCV 2014);
https://cocodataset.org/#detection-eval.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any, Optional, Sequence

import numpy as np

from kseg.evaluation.metrics.regions import Regions

BOX, MASK = "bbox", "segm"  # pycocotools' words
PREFIXES = {BOX: "box", MASK: "mask"}  # of the keys of metrics.json
AREAS = ("all", "small", "medium", "large")  # under 32², under 96², above, in pixels
RECALLS = np.linspace(0, 1, 101)  # where the precision is read
LIMIT = 100  # COCO counts this many results of a class and image


@dataclass(frozen=True)
class EvaluatedImage:
    """The labelled objects and the results of an image of `size` (height, width)."""

    size: tuple[int, int]
    truth: Regions
    found: Regions


@dataclass(frozen=True)
class AveragePrecision:
    """What COCOeval computed; -1 stands for a class or area without objects.

    `precision` (10, 101, C, areas) is at the IoU thresholds 0.50, 0.55, … 0.95 and at
    RECALLS, with the last of `limits` as the largest number of results of a class and
    image. `recall` (10, C, areas, limits) is the highest recall.
    """

    precision: np.ndarray
    recall: np.ndarray
    limits: tuple[int, ...]

    def ap(
        self,
        iou: Optional[float] = None,
        area: str = "all",
        class_id: Optional[int] = None,
    ) -> Optional[float]:
        """The AP in [0, 1]: of one IoU threshold or class, or the mean over all.

        None without objects.
        """
        values = self.precision[..., AREAS.index(area)]
        if iou is not None:
            values = values[threshold_index(iou)][None]
        if class_id is not None:
            values = values[..., class_id]
        return mean_of_known(values)

    def ar(self, limit: int, area: str = "all") -> Optional[float]:
        """The average recall with at most `limit` results of a class and image."""
        place = self.limits.index(limit)
        return mean_of_known(self.recall[..., AREAS.index(area), place])

    def curve(self, class_id: int, iou: float) -> Optional[np.ndarray]:
        """The precision (101,) of a class at RECALLS; None without objects."""
        values = self.precision[threshold_index(iou), :, class_id, 0]
        return None if values[0] < 0 else values

    def twelve(self) -> list[Optional[float]]:
        """The twelve numbers of COCO, in the order of its `summarize`."""
        sizes = AREAS[1:]
        last = self.limits[-1]
        return [
            *(self.ap(), self.ap(0.5), self.ap(0.75)),
            *(self.ap(area=area) for area in sizes),
            *(self.ar(limit) for limit in (1, 10, last)),
            *(self.ar(last, area) for area in sizes),
        ]

    def metrics(self, prefix: str) -> dict[str, Optional[float]]:
        """The entries of metrics.json, each key with a prefix."""
        values = {"ap": self.ap(), "ap50": self.ap(0.5), "ap75": self.ap(0.75)}
        for area in AREAS[1 : self.precision.shape[-1]]:
            values[f"ap_{area}"] = self.ap(area=area)
        values["ar100"] = self.ar(LIMIT)
        return {f"{prefix}_{name}": value for name, value in values.items()}


def threshold_index(iou: float) -> int:
    """The place of an IoU threshold among 0.50, 0.55, … 0.95.

    >>> threshold_index(0.75)
    5
    """
    return round((iou - 0.5) / 0.05)


def mean_of_known(values: np.ndarray) -> Optional[float]:
    """The mean of the values that are not -1; None if there are none."""
    known = values[values > -1]
    return float(np.mean(known)) if known.size else None


def max_detections(images: Sequence[EvaluatedImage]) -> int:
    """How many results of a class and image are counted: at least COCO's 100.

    With more objects in an image COCO's limit would lower the AP however good the
    results are; it is twice the largest number of objects then.
    """
    return max(LIMIT, 2 * max((len(image.truth) for image in images), default=0))


def average_precision(
    images: Sequence[EvaluatedImage],
    num_classes: int,
    kind: str,
    by_area: bool = True,
) -> AveragePrecision:
    """Evaluates the boxes (BOX) or masks (MASK) of all images.

    Without `by_area` only the area "all" is computed, in a quarter of the time.
    """
    from pycocotools.cocoeval import COCOeval

    limits = tuple(sorted({1, 10, LIMIT, max_detections(images)}))
    truth = [truth_annotations(image.truth, kind) for image in images]
    found = [found_annotations(image.found, kind) for image in images]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            coco_of(images, truth, num_classes),
            coco_of(images, found, num_classes),
            kind,
        )
        params = evaluation.params
        params.maxDets = list(limits)
        if not by_area:
            params.areaRng, params.areaRngLbl = params.areaRng[:1], AREAS[:1]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    return AveragePrecision(precision[..., -1], recall, limits)


def truth_annotations(truth: Regions, kind: str) -> list[dict[str, Any]]:
    """The labelled objects as annotations; the area is that of the mask, if any."""
    return annotations(truth, truth.areas, kind)


def found_annotations(found: Regions, kind: str) -> list[dict[str, Any]]:
    """The results as annotations; the area is that of what is evaluated."""
    return annotations(found, found.box_areas if kind == BOX else found.areas, kind)


def annotations(regions: Regions, areas: np.ndarray, kind: str) -> list[dict[str, Any]]:
    """Makes new dicts each time, because COCOeval writes into them."""
    result = [
        {"category_id": class_id, "bbox": box, "area": area, "score": score}
        | {"iscrowd": int(crowd)}
        for class_id, box, area, score, crowd in zip(
            regions.class_ids.tolist(),
            regions.boxes.tolist(),
            areas.tolist(),
            regions.scores.tolist(),
            regions.crowd.tolist(),
            strict=True,
        )
    ]
    if kind == MASK:
        for annotation, rle in zip(result, regions.rles, strict=True):
            annotation["segmentation"] = rle
    return result


def coco_of(
    images: Sequence[EvaluatedImage],
    by_image: Sequence[Sequence[dict[str, Any]]],
    num_classes: int,
) -> Any:
    """Makes a `COCO` in memory of the annotations of each image."""
    from pycocotools.coco import COCO

    entries = []
    for index, listed in enumerate(by_image):
        for entry in listed:
            # Ids count from 1: COCOeval takes a match with 0 for none.
            entry.update(id=len(entries) + 1, image_id=index)
            entries.append(entry)
    coco = COCO()
    coco.dataset = {
        "images": [
            {"id": index, "height": image.size[0], "width": image.size[1]}
            for index, image in enumerate(images)
        ],
        "categories": [{"id": index} for index in range(num_classes)],
        "annotations": entries,
    }
    coco.createIndex()
    return coco

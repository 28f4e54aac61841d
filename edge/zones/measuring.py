"""Measuring what is in the zones of each frame."""

from __future__ import annotations

import math
from typing import Dict, List, Sequence, Set, Tuple

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.model_file.info import ModelInfo, class_name
from edge.predict.results import Detections, Result, SemanticMap
from edge.zones.measures import COUNT, OF_TRACKS, SHARE, Measures
from edge.zones.rasterizing import ZonePixels, zone_pixels
from edge.zones.smoothing import MovingAverage
from edge.zones.visits import Place, Visits
from edge.zones.zone import WHOLE, Zone

SMOOTHING_SECONDS = 1.0  # by default
POINTS = ("bottom", "center")  # of a box, which decide whether an object is in a zone
NO_VISITS = dict.fromkeys(OF_TRACKS, 0.0)

Key = Tuple[str, int, int]  # measure, index of the zone, class id


class Measurer:
    """Measures the results of consecutive frames in zones and in the whole frame.

    An object is in a zone if the middle of its box's lower edge is, where a thing
    stands on the ground, or with the point "center" the middle of its box. Shares and
    counts are means over `smoothing_seconds`. A frame of another size starts them
    again.
    """

    def __init__(
        self,
        info: ModelInfo,
        zones: Sequence[Zone] = (),
        smoothing_seconds: float = SMOOTHING_SECONDS,
        point: str = "bottom",
    ):
        self.info, self.zones, self.point = info, (WHOLE, *zones), point
        self._mean: MovingAverage[Key] = MovingAverage(smoothing_seconds)
        self._visits = [Visits() for _ in self.zones]
        self._seen: List[Set[int]] = [set() for _ in self.zones]
        self._size: Tuple[int, int] = (0, 0)
        self._pixels: List[ZonePixels] = []
        self._counted = self._tracked = False

    def with_zones(
        self, zones: Sequence[Zone], smoothing_seconds: float, point: str
    ) -> Measurer:
        """A Measurer of other zones, without a new start of the zones that stay.

        Times of stay and crossings go on in the whole frame and in zones that have the
        same name and points as before; they start in the others. Averages start again.
        This one may still be measuring a frame in another thread, and is not used
        after that.
        """
        new = Measurer(self.info, zones, smoothing_seconds, point)
        if new.point != self.point:  # other objects are in the zones
            return new
        for index, zone in enumerate(new.zones):
            if zone in self.zones:
                before = self.zones.index(zone)
                new._visits[index] = self._visits[before]
                new._seen[index] = self._seen[before]
        return new

    def __call__(self, seconds: float, result: Result) -> Measures:
        """Measure the result of the next frame, at `seconds` of the source's time."""
        size = size_of(result)
        if size != self._size:
            self._size = size
            self._pixels = [zone_pixels(zone.points, size) for zone in self.zones]
            self._mean.clear()
        if isinstance(result, Detections):
            self._counted, self._tracked = True, result.track_ids is not None
            values = self._of_objects(seconds, result)
        else:
            values = self._of_map(result)
        for _, index, class_id in values:
            self._seen[index].add(class_id)
        return self._measures(self._mean(seconds, values))

    def _of_map(self, result: SemanticMap) -> Dict[Key, int]:
        """The pixels of each class in each zone."""
        values: Dict[Key, int] = {}
        for index, pixels in enumerate(self._pixels):
            part = result.labels[pixels.rows, pixels.columns]
            if not part.size:
                continue
            whole = pixels.area == part.size  # which is faster without a mask
            mask = None if whole else pixels.inside
            counts = cv2.calcHist([part], [0], mask, [256], [0, 256]).ravel()
            for class_id in np.flatnonzero(counts).tolist():
                if class_id != IGNORE_INDEX:
                    values[SHARE, index, class_id] = int(counts[class_id])
        return values

    def _of_objects(self, seconds: float, result: Detections) -> Dict[Key, int]:
        """The pixels and the number of the objects of each class in each zone."""
        values: Dict[Key, int] = {}
        x, y = points_of(result, self.point)
        covered = covered_by(result)
        for index, pixels in enumerate(self._pixels):
            inside = pixels.holds(x, y)
            for class_id in result.class_ids[inside].tolist():
                key = COUNT, index, class_id
                values[key] = values.get(key, 0) + 1
            for class_id, area in covered.items():
                part = area[pixels.rows, pixels.columns] & pixels.inside
                number = int(np.count_nonzero(part))
                if number:
                    values[SHARE, index, class_id] = number
            if self._tracked:
                self._visits[index].take(seconds, places_of(result, inside))
        return values

    def _measures(self, means: Dict[Key, float]) -> Measures:
        """The measures of all classes that were ever in a zone."""
        zones = {}
        for index, (zone, pixels) in enumerate(zip(self.zones, self._pixels)):
            visits = self._visits[index].values() if self._tracked else {}
            values = {}
            for class_id in sorted({*self._seen[index], *visits}):
                share = means.get((SHARE, index, class_id), 0.0) / max(1, pixels.area)
                found = {SHARE: share}
                if self._counted:
                    mean = means.get((COUNT, index, class_id), 0.0)
                    found[COUNT] = float(math.floor(mean + 0.5))
                if self._tracked:
                    found.update(visits.get(class_id, NO_VISITS))
                values[class_name(self.info, class_id)] = found
            zones[zone.name] = values
        return Measures(zones)


def size_of(result: Result) -> Tuple[int, int]:
    """The (height, width) of the frame of a result."""
    if isinstance(result, Detections):
        return result.size
    height, width = result.labels.shape
    return height, width


def points_of(result: Detections, point: str) -> Tuple[np.ndarray, np.ndarray]:
    """(N,) columns and (N,) rows of the pixels that decide where objects are.

    >>> box = np.float32([[2, 2, 6, 8]])
    >>> result = Detections(box, np.int32([0]), np.float32([1]), (8, 8))
    >>> [int(side[0]) for side in points_of(result, "bottom")]
    [4, 7]
    """
    height, width = result.size
    x0, y0, x1, y1 = result.boxes.astype(np.float64).T
    x = np.floor((x0 + x1) / 2)
    # The lower edge is outside of the box: the last row that the box touches counts.
    y = np.ceil(y1) - 1 if point == "bottom" else np.floor((y0 + y1) / 2)
    return (
        np.clip(x, 0, width - 1).astype(np.int64),
        np.clip(y, 0, height - 1).astype(np.int64),
    )


def covered_by(result: Detections) -> Dict[int, np.ndarray]:
    """Class id -> (H, W) uint8, 1 where masks, or boxes, of its objects are."""
    covered: Dict[int, np.ndarray] = {}
    for class_id, (rows, columns, mask) in zip(
        result.class_ids.tolist(), result.masks()
    ):
        if class_id not in covered:
            covered[class_id] = np.zeros(result.size, np.uint8)
        covered[class_id][rows, columns] |= mask.view(np.uint8)
    return covered


def places_of(result: Detections, inside: np.ndarray) -> Dict[int, Place]:
    """Track -> its class and whether it is in a zone, of objects that have a track."""
    tracks = np.asarray(result.track_ids).tolist()
    rows = zip(tracks, result.class_ids.tolist(), inside.tolist())
    return {track: Place(class_id, held) for track, class_id, held in rows if track > 0}

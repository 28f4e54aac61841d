"""Drawing detected objects: masks, boxes, labels, and a legend with their numbers.

Masks are blended inside the boxes only, so that the time depends on the area of the
objects and not on that of the frame. `python -m benchmarks drawing` measures it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from typing import FrozenSet, Sequence, Tuple, Union

import cv2
import numpy as np

from edge.display.draw import Box, put_caption, put_in_front, put_legend, with_hint
from edge.display.draw_zones import put_names, put_outlines
from edge.display.labels import Color, put_labels
from edge.display.names import written_name
from edge.display.view import View
from edge.model_file.info import ModelInfo
from edge.predict.results import Detections, Instances

Objects = Union[Detections, Instances]
EDGE = 2  # pixels of a box's edge, inside the box
GREY = (128, 128, 128)  # of classes in the legend while colours are those of tracks
GOLDEN = 0.618034  # of a turn between the hues of successive tracks
Mask = Tuple[slice, slice, np.ndarray]


def draw_objects(
    frame: np.ndarray,
    result: Objects,
    info: ModelInfo,
    text: str = "",
    view: View = View(),
) -> np.ndarray:
    """Draw objects on a BGR frame (H, W, 3) as `view` says; returns a new image.

    With a background, only objects of the classes `view.keep` are drawn.
    """
    shown = result[is_shown(result, info, view)]
    if view.background:
        kept = area_of(result, view.keep)
        image = put_in_front(frame, kept, view.background(frame))
    else:
        image = frame.copy()
    colors = colors_of(shown, info, view)
    put_masks(image, shown, colors, view)
    put_outlines(image, view.zones)
    if view.line:
        put_line(image, *view.line)
    boxes = pixel_boxes(shown)
    if view.boxes:
        put_boxes(image, boxes, colors)
    panels = [put_caption(image, with_hint(text, info, view))]
    if view.legend and draws_anything(result, view):
        panels.append(put_counts(image, result, info, view))
    panels += put_names(image, view.zones, panels)
    if view.boxes:
        put_labels(image, boxes, texts_of(shown, info), colors, panels)
    return image


def is_shown(result: Objects, info: ModelInfo, view: View) -> np.ndarray:
    """(N,) bool: objects to draw, those of classes with a colour and not hidden."""
    shown = [index for index, color in enumerate(info.colors) if any(color)]
    classes = set(shown) - view.hidden
    if view.background:
        classes &= view.keep
    return np.isin(result.class_ids, list(classes))


def draws_anything(result: Objects, view: View) -> bool:
    """Whether the view has boxes, masks or outlines."""
    masks = isinstance(result, Instances) and view.masks and view.opacity > 0
    outlines = isinstance(result, Instances) and view.outlines
    return view.boxes or masks or outlines


def colors_of(result: Objects, info: ModelInfo, view: View) -> list[Color]:
    """The BGR colour of each object: that of its class, or of its track."""
    tracks = tracks_of(result) if view.color_by == "track" else [0] * len(result)
    return [
        track_color(track) if track > 0 else class_color(info, class_id)
        for track, class_id in zip(tracks, result.class_ids.tolist())
    ]


def tracks_of(result: Objects) -> list[int]:
    """The track of each object; 0 for those that have none."""
    if result.track_ids is None:
        return [0] * len(result)
    return [int(track) for track in result.track_ids]


def class_color(info: ModelInfo, class_id: int) -> Color:
    """The BGR colour of a class."""
    red, green, blue = info.colors[class_id]
    return blue, green, red


@lru_cache(maxsize=1024)
def track_color(track: int) -> Color:
    """A BGR colour for a track; successive tracks differ clearly in hue."""
    hue = round(180 * (track * GOLDEN % 1)) % 180  # OpenCV counts in steps of 2 degrees
    pixel = cv2.cvtColor(np.uint8([[[hue, 200, 230]]]), cv2.COLOR_HSV2BGR)
    blue, green, red = pixel[0, 0].tolist()
    return blue, green, red


def put_masks(
    image: np.ndarray, result: Objects, colors: Sequence[Color], view: View
) -> None:
    """Blend masks into `image` and outline them, the highest score on top."""
    blended = view.masks and view.opacity > 0
    if not isinstance(result, Instances) or not (blended or view.outlines):
        return
    found = [(mask, color) for mask, color in zip(result.masks(), colors)]
    for (rows, columns, mask), color in reversed(found):
        if mask.size and blended:
            part, inside = image[rows, columns], mask.view(np.uint8)
            tinted = cv2.LUT(part, tint(color, view.opacity))
            cv2.copyTo(tinted, inside, part)
        if mask.size and view.outlines:
            put_outline(image, (rows, columns, mask), color)


@lru_cache(maxsize=1024)
def tint(color: Color, opacity: float) -> np.ndarray:
    """(1, 256, 3) uint8: each value of a channel blended with a colour."""
    values = np.arange(256)[:, None] * (1 - opacity) + np.array(color) * opacity
    return np.rint(values).astype(np.uint8)[None]


def put_outline(image: np.ndarray, mask: Mask, color: Color) -> None:
    """Draw the contours of a mask, those of holes too."""
    rows, columns, inside = mask
    contours, _ = cv2.findContours(
        inside.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    corner = (columns.start, rows.start)
    cv2.drawContours(image, contours, -1, color, EDGE, offset=corner)


def pixel_boxes(result: Objects) -> list[Box]:
    """Boxes in whole pixels of the frame, those that each box touches."""
    height, width = result.size
    corners = np.concatenate(
        [np.floor(result.boxes[:, :2]), np.ceil(result.boxes[:, 2:])], axis=1
    )
    inside = np.clip(corners, 0, [width, height] * 2).astype(int)
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in inside.tolist()]


def put_boxes(image: np.ndarray, boxes: Sequence[Box], colors: Sequence[Color]) -> None:
    """Draw the edges of boxes into `image`, the first on top."""
    for (x0, y0, x1, y1), color in reversed(list(zip(boxes, colors))):
        part = image[y0:y1, x0:x1]
        part[:EDGE] = part[max(0, y1 - y0 - EDGE) :] = color
        part[:, :EDGE] = part[:, max(0, x1 - x0 - EDGE) :] = color


def texts_of(result: Objects, info: ModelInfo) -> list[str]:
    """The label of each object, such as "person 0.87 #3" with a track."""
    rows = zip(result.class_ids.tolist(), result.scores.tolist(), tracks_of(result))
    return [
        f"{written_name(info, class_id)} {score:.2f}" + (f" #{track}" * (track > 0))
        for class_id, score, track in rows
    ]


def put_line(image: np.ndarray, axis: str, position: float) -> None:
    """Draw the line whose crossings are counted: y at a share of the height, or x."""
    height, width = image.shape[:2]
    across = axis == "y"
    at = min(
        round(position * (height if across else width)), image.shape[not across] - 1
    )
    ends = ((0, at), (width - 1, at)) if across else ((at, 0), (at, height - 1))
    cv2.line(image, *ends, (0, 0, 0), 3)
    cv2.line(image, *ends, (255, 255, 255), 1)


def put_counts(image: np.ndarray, result: Objects, info: ModelInfo, view: View) -> Box:
    """Draw the legend, with the number of objects of each class."""
    counts = Counter(result.class_ids.tolist())
    if view.color_by == "track":
        grey = tuple(GREY if any(color) else color for color in info.colors)
        info = replace(info, colors=grey)
    return put_legend(image, info, lambda: sorted(counts), view, counts)


def area_of(result: Objects, keep: FrozenSet[int]) -> np.ndarray:
    """(H, W) uint8: 255 in the masks of objects of these classes, or in their boxes."""
    kept = result[np.isin(result.class_ids, list(keep))]
    area = np.zeros(result.size, np.uint8)
    if isinstance(kept, Instances):
        for rows, columns, mask in kept.masks():
            area[rows, columns][mask] = 255
    else:
        for x0, y0, x1, y1 in pixel_boxes(kept):
            area[y0:y1, x0:x1] = 255
    return area

"""Drawing labels on images.

All functions return a new image, except `put_legend` and `put_caption`, which draw in
place.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, FrozenSet, Mapping, Optional, Sequence, Tuple

import cv2
import numpy as np

from edge.display.colors import color_table, colored, hide_classes
from edge.display.draw_zones import put_names, put_outlines
from edge.display.names import written_name
from edge.display.panels import darken, text_scale
from edge.display.text import text_size, write
from edge.display.view import View, help_of, legend_classes
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap

Box = Tuple[int, int, int, int]  # x0, y0, x1, y1; right and bottom edges exclusive
NOWHERE = (0, 0, 0, 0)
MOST_ROWS = 10  # of a legend that lists classes which do not occur


def blend(
    image: np.ndarray,
    labels: np.ndarray,
    info: ModelInfo,
    opacity: float = 0.5,
    order: str = "RGB",
) -> np.ndarray:
    """(H, W, 3) uint8 blended with the colours of its labels; black is not drawn."""
    tinted = color_table(info).any(axis=1).astype(np.uint8)
    mixed = cv2.addWeighted(
        image, 1 - opacity, colored(labels, info, order), opacity, 0
    )
    return cv2.copyTo(mixed, cv2.LUT(labels, tinted), image.copy())


def outlined(
    image: np.ndarray, labels: np.ndarray, info: ModelInfo, order: str = "RGB"
) -> np.ndarray:
    """(H, W, 3) with the boundaries between classes in the colours of both sides."""
    tinted = color_table(info).any(axis=1)
    drawn = cv2.LUT(labels, np.where(tinted, np.arange(256), 255).astype(np.uint8))
    boundary = cv2.morphologyEx(drawn, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    boundary[~tinted[drawn]] = 0
    return cv2.copyTo(colored(labels, info, order), boundary, image.copy())


def blurred(image: np.ndarray) -> np.ndarray:
    """The image blurred beyond recognition."""
    height, width = image.shape[:2]
    small = image
    for _ in range(4):
        small = cv2.pyrDown(small)
    small = cv2.GaussianBlur(small, (0, 0), 1)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def center_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image to cover `size` (height, width) and crop its centre."""
    scale = max(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(s, round(scale * p)) for s, p in zip(size, image.shape))
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return image[top : top + size[0], left : left + size[1]].copy()


def replace_background(
    image: np.ndarray, labels: np.ndarray, keep: FrozenSet[int], background: np.ndarray
) -> np.ndarray:
    """Replace all classes but `keep` in `image` by `background` (H, W, 3)."""
    kept = np.zeros(256, np.uint8)
    kept[list(keep)] = 255
    return put_in_front(image, cv2.LUT(labels, kept), background)


def put_in_front(
    image: np.ndarray, kept: np.ndarray, background: np.ndarray
) -> np.ndarray:
    """The image where `kept` (H, W) uint8 is 255, the background where it is 0.

    The transition is softened over a hundredth of the height.
    """
    soft = 2 * (image.shape[0] // 200) + 1
    weights = cv2.blur(kept, (soft, soft)).astype(np.float32) / 255
    return cv2.blendLinear(image, background, weights, 1 - weights)


def legend(image: np.ndarray, info: ModelInfo, present: Sequence[int]) -> np.ndarray:
    """The image with a legend of the classes: all, or those present if many."""
    image = image.copy()
    put_legend(image, info, lambda: present)
    return image


def legend_alone(info: ModelInfo) -> Optional[np.ndarray]:
    """An image (H, W, 3) BGR of the legend of all classes; None without colours."""
    rows = legend_classes(info)
    if not rows:
        return None
    # As high as the largest letters need, with room for rows of 36 * 0.6 pixels.
    image = np.full((max(540, 22 * (len(rows) + 2)), 2000, 3), 128, np.uint8)
    _, _, width, height = put_legend(image, info, lambda: rows)
    return image[:height, :width].copy()


def put_legend(
    image: np.ndarray,
    info: ModelInfo,
    present: Callable[[], Sequence[int]],
    view: View = View(),
    counts: Optional[Mapping[int, int]] = None,
) -> Box:
    """Draw the legend into `image` and return where it is.

    Of more than MOST_ROWS classes only those `present` are listed: the legend would
    cover what the view is about. Hidden classes have an empty box. `counts` are numbers
    of objects that stand after the names of their classes.
    """
    rows = legend_classes(info)
    numbers = {index: f"{(row + 1) % 10} " for row, index in enumerate(rows[:10])}
    scale = text_scale(image)
    row = int(36 * scale)
    if len(rows) > MOST_ROWS or row * (len(rows) + 1) > image.shape[0]:
        there = set(present())
        rows = [index for index in rows if index in there]
    if not rows:
        return NOWHERE
    texts = [
        (numbers.get(i, "") if view.keys else "")
        + written_name(info, i)
        + (f" {counts[i]}" if counts and counts.get(i) else "")
        for i in rows
    ]
    widest = max(text_size(text, scale)[0][0] for text in texts)
    panel = image[: row * len(rows) + row // 2, : widest + 2 * row + 4]
    darken(panel)
    for line, (index, text) in enumerate(zip(rows, texts)):
        top = row // 4 + line * row
        color = tuple(int(c) for c in reversed(info.colors[index]))
        corner, end = (row // 4, top + row // 6), (row, top + row - row // 6)
        filled = 1 if index in view.hidden else cv2.FILLED
        cv2.rectangle(image, corner, end, color, filled)
        write(image, text, (row + row // 3, top + row - row // 4), scale)
    return 0, 0, panel.shape[1], panel.shape[0]


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """The image with `text`, of one or several lines, in its lower left corner."""
    image = image.copy()
    put_caption(image, text)
    return image


def put_caption(image: np.ndarray, text: str) -> Box:
    """Draw the caption into `image` and return where it is."""
    if not text:
        return NOWHERE
    scale = max(0.4, min(0.8, image.shape[0] / 700))
    lines = text.split("\n")
    sizes = [text_size(line, scale)[0] for line in lines]
    height = max(high for _, high in sizes) + 12
    panel = image[-height * len(lines) :, : max(wide for wide, _ in sizes) + 16]
    darken(panel)
    for above, line in enumerate(reversed(lines)):
        write(image, line, (8, image.shape[0] - 6 - above * height), scale)
    return 0, image.shape[0] - panel.shape[0], panel.shape[1], image.shape[0]


def present_classes(labels: np.ndarray, info: ModelInfo) -> list[int]:
    """The classes that occur in the labels."""
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
    return [int(i) for i in np.flatnonzero(counts) if i < len(info.class_names)]


def draw_semantic(
    frame: np.ndarray,
    result: SemanticMap,
    info: ModelInfo,
    text: str = "",
    view: View = View(),
) -> np.ndarray:
    """Draw the result on a BGR frame as `view` says; returns a new image."""
    labels = result.labels
    shown = hide_classes(info, view.hidden) if view.hidden else info
    image = frame
    if view.background:
        image = replace_background(frame, labels, view.keep, view.background(frame))
    if view.opacity:
        image = blend(image, labels, shown, view.opacity, order="BGR")
    if view.outlines:
        image = outlined(image, labels, shown, order="BGR")
    if image is frame:
        image = frame.copy()
    put_outlines(image, view.zones)
    panels = [put_caption(image, with_hint(text, info, view))]
    if view.legend and (view.opacity or view.outlines):
        present = partial(present_classes, labels, info)
        panels.append(put_legend(image, info, present, view))
    put_names(image, view.zones, panels)
    return image


def with_hint(text: str, info: ModelInfo, view: View) -> str:
    """The caption, with the keys of the window or how to see them."""
    hint = help_of(info, view.captures) if view.help else "h keys" if view.keys else ""
    return "   ".join(filter(None, (text, hint)))

"""Drawing labels over pictures.

Everything returns a new image, but for what is called `put_`, `darken` and `write`.
"""

from __future__ import annotations

from typing import Callable, FrozenSet, Sequence

import cv2
import numpy as np

from edge.display.colors import color_table, colored, visible
from edge.display.view import HELP, View, listed
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap

FONT = cv2.FONT_HERSHEY_SIMPLEX


def blend(
    image: np.ndarray,
    labels: np.ndarray,
    info: ModelInfo,
    opacity: float = 0.5,
    order: str = "RGB",
) -> np.ndarray:
    """(H, W, 3) uint8 with its labels laid over it; black classes leave it as it is."""
    tinted = color_table(info).any(axis=1).astype(np.uint8)
    mixed = cv2.addWeighted(
        image, 1 - opacity, colored(labels, info, order), opacity, 0
    )
    return cv2.copyTo(mixed, cv2.LUT(labels, tinted), image.copy())


def outlined(
    image: np.ndarray, labels: np.ndarray, info: ModelInfo, order: str = "RGB"
) -> np.ndarray:
    """(H, W, 3) with both sides of every border between classes in their colours."""
    tinted = color_table(info).any(axis=1)
    drawn = cv2.LUT(labels, np.where(tinted, np.arange(256), 255).astype(np.uint8))
    border = cv2.morphologyEx(drawn, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    border[~tinted[drawn]] = 0
    return cv2.copyTo(colored(labels, info, order), border, image.copy())


def blurred(image: np.ndarray) -> np.ndarray:
    """The picture as seen by someone who should not recognise it."""
    height, width = image.shape[:2]
    small = image
    for _ in range(4):
        small = cv2.pyrDown(small)
    small = cv2.GaussianBlur(small, (0, 0), 1)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def center_crop(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of a picture, brought to `size` (height, width)."""
    scale = max(size[0] / picture.shape[0], size[1] / picture.shape[1])
    height, width = (max(s, round(scale * p)) for s, p in zip(size, picture.shape))
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return picture[top : top + size[0], left : left + size[1]].copy()


def in_front(
    image: np.ndarray, labels: np.ndarray, keep: FrozenSet[int], behind: np.ndarray
) -> np.ndarray:
    """The classes of `keep` as they are in `image`, before `behind` (H, W, 3).

    The edge between is softened over a hundredth of the height.
    """
    kept = np.zeros(256, np.uint8)
    kept[list(keep)] = 255
    soft = 2 * (image.shape[0] // 200) + 1
    weights = cv2.blur(cv2.LUT(labels, kept), (soft, soft)).astype(np.float32) / 255
    return cv2.blendLinear(image, behind, weights, 1 - weights)


def legend(image: np.ndarray, info: ModelInfo, present: Sequence[int]) -> np.ndarray:
    """The picture with a panel of class names: all, or those present if many."""
    image = image.copy()
    put_legend(image, info, lambda: present)
    return image


def put_legend(
    image: np.ndarray,
    info: ModelInfo,
    present: Callable[[], Sequence[int]],
    view: View = View(),
) -> None:
    """The legend, into `image` itself. Classes that are hidden have an empty box."""
    rows = listed(info)
    numbers = {index: f"{(row + 1) % 10} " for row, index in enumerate(rows[:10])}
    scale = max(0.35, min(0.6, image.shape[0] / 900))
    row = int(36 * scale)
    if len(info.class_names) > 24 or row * (len(rows) + 1) > image.shape[0]:
        there = set(present())
        rows = [index for index in rows if index in there]
    if not rows:
        return
    texts = [
        (numbers.get(i, "") if view.keys else "") + info.class_names[i] for i in rows
    ]
    widest = max(cv2.getTextSize(text, FONT, scale, 1)[0][0] for text in texts)
    panel = image[: row * len(rows) + row // 2, : widest + 2 * row + 4]
    darken(panel)
    for line, (index, text) in enumerate(zip(rows, texts)):
        top = row // 4 + line * row
        color = tuple(int(c) for c in reversed(info.colors[index]))
        corner, end = (row // 4, top + row // 6), (row, top + row - row // 6)
        filled = 1 if index in view.hidden else cv2.FILLED
        cv2.rectangle(image, corner, end, color, filled)
        write(image, text, (row + row // 3, top + row - row // 4), scale)


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """The picture with `text` in its lower left corner; it may have several lines."""
    image = image.copy()
    put_caption(image, text)
    return image


def put_caption(image: np.ndarray, text: str) -> None:
    """The caption, into `image` itself."""
    if not text:
        return
    scale = max(0.4, min(0.8, image.shape[0] / 700))
    lines = text.split("\n")
    sizes = [cv2.getTextSize(line, FONT, scale, 1)[0] for line in lines]
    height = max(high for _, high in sizes) + 12
    darken(image[-height * len(lines) :, : max(wide for wide, _ in sizes) + 16])
    for above, line in enumerate(reversed(lines)):
        write(image, line, (8, image.shape[0] - 6 - above * height), scale)


def darken(part: np.ndarray) -> None:
    """A part of a picture to a third of its brightness, so that text stands out."""
    part[:] = part // 3


def write(image: np.ndarray, text: str, origin: tuple[int, int], scale: float) -> None:
    """White text, into `image` itself."""
    cv2.putText(image, text, origin, FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def present_in(labels: np.ndarray, info: ModelInfo) -> list[int]:
    """The classes that some pixel has."""
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
    return [int(i) for i in np.flatnonzero(counts) if i < len(info.class_names)]


def draw_semantic(
    frame: np.ndarray,
    result: SemanticMap,
    info: ModelInfo,
    text: str = "",
    view: View = View(),
) -> np.ndarray:
    """A BGR frame and its result -> the frame as the viewer sees it, a new one."""
    labels = result.labels
    shown = visible(info, view.hidden) if view.hidden else info
    image = frame
    if view.background:
        image = in_front(frame, labels, view.keep, view.background(frame))
    if view.opacity:
        image = blend(image, labels, shown, view.opacity, order="BGR")
    if view.outlines:
        image = outlined(image, labels, shown, order="BGR")
    if image is frame:
        image = frame.copy()
    if view.legend and (view.opacity or view.outlines):
        put_legend(image, info, lambda: present_in(labels, info), view)
    hint = HELP if view.help else "h keys" if view.keys else ""
    put_caption(image, "   ".join(filter(None, (text, hint))))
    return image

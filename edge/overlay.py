"""Drawing labels over pictures. Everything here returns a new image."""

from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np

from edge.metadata import ModelInfo

FONT = cv2.FONT_HERSHEY_SIMPLEX


def color_table(info: ModelInfo, order: str = "RGB") -> np.ndarray:
    """(256, 3) uint8: the colour of each id; black for void and what has none."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(info.colors)] = info.colors
    return table if order == "RGB" else np.ascontiguousarray(table[:, ::-1])


def colored(labels: np.ndarray, info: ModelInfo, order: str = "RGB") -> np.ndarray:
    """(H, W) uint8 class ids -> (H, W, 3) uint8."""
    return cv2.applyColorMap(labels, color_table(info, order)[:, None])


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


def legend(image: np.ndarray, info: ModelInfo, present: Sequence[int]) -> np.ndarray:
    """The picture with a panel of class names: all, or those present if many."""
    listed = range(len(info.names)) if len(info.names) <= 24 else present
    listed = [index for index in listed if any(info.colors[index])]
    scale = max(0.35, min(0.6, image.shape[0] / 900))
    row = int(36 * scale)
    if not listed or row * (len(listed) + 1) > image.shape[0]:
        listed = [index for index in listed if index in present]
    image = image.copy()
    if not listed:
        return image
    widest = max(cv2.getTextSize(info.names[i], FONT, scale, 1)[0][0] for i in listed)
    panel = image[: row * len(listed) + row // 2, : widest + 2 * row + 4]
    panel[:] = panel // 3
    for line, index in enumerate(listed):
        top = row // 4 + line * row
        color = tuple(int(c) for c in reversed(info.colors[index]))
        corner, end = (row // 4, top + row // 6), (row, top + row - row // 6)
        cv2.rectangle(image, corner, end, color, cv2.FILLED)
        write(image, info.names[index], (row + row // 3, top + row - row // 4), scale)
    return image


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """The picture with `text` in its lower left corner."""
    image = image.copy()
    if not text:
        return image
    scale = max(0.4, min(0.8, image.shape[0] / 700))
    width, height = cv2.getTextSize(text, FONT, scale, 1)[0]
    strip = image[-height - 12 :, : width + 16]
    strip[:] = strip // 3
    write(image, text, (8, image.shape[0] - 6), scale)
    return image


def write(image: np.ndarray, text: str, origin: tuple[int, int], scale: float) -> None:
    """White text, into `image` itself."""
    cv2.putText(image, text, origin, FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def draw(frame: np.ndarray, labels: np.ndarray, info: ModelInfo, text: str):
    """A BGR frame, its (H, W) labels -> the frame as the viewer sees it."""
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256])
    present = [i for i in np.flatnonzero(counts) if i < len(info.names)]
    view = blend(frame, labels, info, order="BGR")
    return caption(legend(view, info, present), text)

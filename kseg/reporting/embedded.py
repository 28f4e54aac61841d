"""The pictures of report.html, as data URIs that need no file beside the page."""

from __future__ import annotations

import base64
import io
from typing import Any, Callable, Sequence

import cv2
import numpy as np

from edge.core.constants import IGNORE_INDEX
from edge.core.images import with_channels
from edge.display.colors import colored
from edge.model_file.info import ModelInfo
from edge.predict.resizing import limit_side, resize
from kseg.reporting.figures import confusion_figure, draw_curve, new_figure

LONGEST = 640  # side of a picture in the page
PHOTO_QUALITY = 85  # of JPEG
VOID = (255, 255, 255)
WRONG = (214, 39, 40)
# The page's two colour schemes and the styles of matplotlib that suit them.
STYLES = {"light": "default", "dark": "dark_background"}

Drawing = dict[str, str]  # colour scheme -> data URI


def data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


# --- photographs and labels ---


def photo(image: np.ndarray) -> str:
    """(H, W[, C]) uint8 -> a JPEG, shrunk to LONGEST."""
    rgb = with_channels(image, 3)
    small = resize(rgb, limit_side(rgb.shape[:2], LONGEST))
    return encoded("jpeg", small, [cv2.IMWRITE_JPEG_QUALITY, PHOTO_QUALITY])


def flat(image: np.ndarray) -> str:
    """(H, W, 3) uint8 of few colours, which stay as they are -> a PNG."""
    size = limit_side(image.shape[:2], LONGEST)
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return encoded("png", small, [])


def encoded(kind: str, rgb: np.ndarray, options: Sequence[int]) -> str:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return data_uri(kind, cv2.imencode(f".{kind}", bgr, options)[1].tobytes())


def views(
    image: np.ndarray, mask: np.ndarray, labels: np.ndarray, info: ModelInfo
) -> dict[str, str]:
    """Image (H, W[, C]), truth (H, W), prediction (H, W) -> caption and data URI."""
    truth = colored(mask, info)
    truth[mask == IGNORE_INDEX] = VOID
    return {
        "image": photo(image),
        "truth": flat(truth),
        "prediction": flat(colored(labels, info)),
        "mistakes": flat(mistakes(image, mask, labels)),
    }


def mistakes(image: np.ndarray, mask: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The picture in pale grey, WRONG where truth and prediction differ, void white."""
    grey = with_channels(with_channels(image, 1), 3)
    view = 255 - (255 - grey) // 16 * 8  # 16 greys: a small PNG
    view[mask != labels] = WRONG
    view[mask == IGNORE_INDEX] = VOID
    return view


# --- drawings ---


def drawn(draw: Callable[[], Any]) -> Drawing:
    """A function that makes a matplotlib figure -> an SVG for each colour scheme."""
    import matplotlib
    import matplotlib.style

    result = {}
    for scheme, style in STYLES.items():
        # Letters as outlines need no font; a fixed salt makes equal runs equal pages.
        rules = {"svg.fonttype": "path", "svg.hashsalt": "kseg"}
        with matplotlib.style.context([style, rules]):
            text = io.BytesIO()
            draw().savefig(
                text, format="svg", transparent=True, metadata={"Date": None}
            )
        result[scheme] = data_uri("svg+xml", text.getvalue())
    return result


def curve(history: Sequence[dict[str, float]], name: str) -> Drawing:
    """One column of the history by epoch."""

    def draw() -> Any:
        figure, axes = new_figure(4.4, 3.2)
        draw_curve(axes, history, name)
        return figure

    return drawn(draw)


def confusion(matrix: np.ndarray, names: Sequence[str]) -> Drawing:
    return drawn(lambda: confusion_figure(matrix, names))


def reliability(counts: np.ndarray) -> Drawing:
    """Accuracy by confidence above, how many pixels there are below.

    `counts` (BINS, 3) are those of `calibration_counts`.
    """
    pixels, right, _ = counts.T
    bins = len(counts)
    middles, width = (np.arange(bins) + 0.5) / bins, 0.92 / bins

    def draw() -> Any:
        figure = new_figure(4.8, 4.8)[0]
        figure.clear()
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.bar(middles, right / np.maximum(pixels, 1), width, label="share right")
        ideal = {"color": "tab:red", "linestyle": "--", "label": "as it should be"}
        above.plot((0, 1), (0, 1), **ideal)
        above.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
        below.bar(middles, pixels / max(1, pixels.sum()), width)
        below.set(xlabel="confidence", ylabel="share of\npixels", ylim=(0, 1))
        figure.legend(loc="outside upper center", ncols=2)
        for axes in (above, below):
            axes.grid(alpha=0.3)
        return figure

    return drawn(draw)

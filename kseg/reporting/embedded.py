"""Images and figures of report.html as data URIs, so that the page is a single file."""

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

MAX_SIDE = 640  # of an image in the page
PHOTO_QUALITY = 85  # of JPEG
VOID = (255, 255, 255)
WRONG = (214, 39, 40)
# The two colour schemes of the page, and a matplotlib style for each.
STYLES = {"light": "default", "dark": "dark_background"}

Drawing = dict[str, str]  # colour scheme -> data URI


def data_uri(kind: str, content: bytes) -> str:
    """Encodes the content of an image file; `kind` is its subtype, for example png."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


# --- photographs and labels ---


def photo(image: np.ndarray) -> str:
    """Encodes a photo (H, W[, C]) uint8 as JPEG, with sides of at most MAX_SIDE."""
    rgb = with_channels(image, 3)
    small = resize(rgb, limit_side(rgb.shape[:2], MAX_SIDE))
    return encoded("jpeg", small, [cv2.IMWRITE_JPEG_QUALITY, PHOTO_QUALITY])


def flat(image: np.ndarray) -> str:
    """Encodes an image (H, W, 3) uint8 of few colours as PNG, without new colours."""
    size = limit_side(image.shape[:2], MAX_SIDE)
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return encoded("png", small, [])


def encoded(kind: str, rgb: np.ndarray, options: Sequence[int]) -> str:
    """Encodes (H, W, 3) uint8 RGB with options of cv2.imencode."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return data_uri(kind, cv2.imencode(f".{kind}", bgr, options)[1].tobytes())


def views(
    image: np.ndarray, mask: np.ndarray, labels: np.ndarray, info: ModelInfo
) -> dict[str, str]:
    """Makes the views of an image (H, W[, C]) with its mask and labels (H, W).

    Returns data URIs by their captions.
    """
    target = colored(mask, info)
    target[mask == IGNORE_INDEX] = VOID
    return {
        "image": photo(image),
        "ground truth": flat(target),
        "prediction": flat(colored(labels, info)),
        "errors": flat(error_map(image, mask, labels)),
    }


def error_map(image: np.ndarray, mask: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Draws wrong pixels in the colour WRONG over a pale grey image; void is white."""
    grey = with_channels(with_channels(image, 1), 3)
    view = 255 - (255 - grey) // 16 * 8  # 16 grey values keep the PNG small
    view[mask != labels] = WRONG
    view[mask == IGNORE_INDEX] = VOID
    return view


# --- drawings ---


def drawn(draw: Callable[[], Any]) -> Drawing:
    """Renders a matplotlib figure as SVG for each colour scheme.

    `draw` makes the figure.
    """
    import matplotlib
    import matplotlib.style

    result = {}
    for scheme, style in STYLES.items():
        # Letters as paths need no font; a fixed salt makes the page reproducible.
        rules = {"svg.fonttype": "path", "svg.hashsalt": "kseg"}
        with matplotlib.style.context([style, rules]):
            text = io.BytesIO()
            draw().savefig(
                text, format="svg", transparent=True, metadata={"Date": None}
            )
        result[scheme] = data_uri("svg+xml", text.getvalue())
    return result


def curve(history: Sequence[dict[str, float]], name: str) -> Drawing:
    """Draws one column of the history by epoch."""

    def draw() -> Any:
        figure, axes = new_figure(4.4, 3.2)
        draw_curve(axes, history, name)
        return figure

    return drawn(draw)


def confusion(matrix: np.ndarray, names: Sequence[str]) -> Drawing:
    """Draws a confusion matrix of counts (C, C)."""
    return drawn(lambda: confusion_figure(matrix, names))


def reliability(counts: np.ndarray) -> Drawing:
    """Draws the accuracy by confidence, and below it the share of pixels.

    `counts` (BINS, 3) are those of `calibration_counts`.
    """
    pixels, correct, _ = counts.T
    bins = len(counts)
    middles, width = (np.arange(bins) + 0.5) / bins, 0.92 / bins

    def draw() -> Any:
        figure = new_figure(4.8, 4.8)[0]
        figure.clear()
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.bar(middles, correct / np.maximum(pixels, 1), width, label="accuracy")
        ideal = {"color": "tab:red", "linestyle": "--", "label": "perfect calibration"}
        above.plot((0, 1), (0, 1), **ideal)
        above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        below.bar(middles, pixels / max(1, pixels.sum()), width)
        below.set(xlabel="confidence", ylabel="share of\npixels", ylim=(0, 1))
        figure.legend(loc="outside upper center", ncols=2)
        for axes in (above, below):
            axes.grid(alpha=0.3)
        return figure

    return drawn(draw)

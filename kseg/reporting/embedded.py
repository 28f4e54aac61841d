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
from kseg.reporting.figures import (
    confusion_figure,
    draw_curve,
    empty_figure,
    new_figure,
)

MAX_SIDE = 640  # of an image in the page
PHOTO_QUALITY = 85  # of JPEG
VOID = (255, 255, 255)
WRONG = (214, 39, 40)
# The two colour schemes of the page, and a matplotlib style for each.
STYLES = {"light": "default", "dark": "dark_background"}
CYCLE = "axes.prop_cycle"  # matplotlib's setting for the colours of lines and bars

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

    `draw` makes the figure. Layout takes most of the time, so it is done once: in a
    placeholder for each colour that the schemes do not share.
    """
    import matplotlib.style

    schemes = {scheme: colors_of(style) for scheme, style in STYLES.items()}
    # Near black, so that no other colour of a figure is the same.
    placeholders = [f"#{index:02x}0100" for index in range(len(schemes["light"]))]
    # Letters as paths need no font; a fixed salt makes the page reproducible.
    rules = {"svg.fonttype": "path", "svg.hashsalt": "kseg"}
    text = io.StringIO()
    with matplotlib.style.context(["default", as_style(placeholders), rules]):
        draw().savefig(text, format="svg", transparent=True, metadata={"Date": None})
    result = {}
    for scheme, colors in schemes.items():
        svg = text.getvalue()
        for placeholder, color in zip(placeholders, colors, strict=True):
            svg = svg.replace(placeholder, color)
        result[scheme] = data_uri("svg+xml", svg.encode())
    return result


def color_names() -> list[str]:
    """The settings of matplotlib in which the styles differ, without CYCLE."""
    import matplotlib.style

    return [name for name in matplotlib.style.library[STYLES["dark"]] if name != CYCLE]


def colors_of(style: str) -> list[str]:
    """The colours of `color_names` in a style, then those of CYCLE, such as #1f77b4."""
    import matplotlib
    import matplotlib.style
    from matplotlib.colors import to_hex

    with matplotlib.style.context(style):
        settings: Any = matplotlib.rcParams
        cycle = settings[CYCLE].by_key()["color"]
        return [to_hex(x) for x in (*(settings[n] for n in color_names()), *cycle)]


def as_style(colors: Sequence[str]) -> dict[str, Any]:
    """Settings of matplotlib from colours in the order of `colors_of`."""
    from cycler import cycler

    names = color_names()
    cycle = cycler(color=colors[len(names) :])
    return {**dict(zip(names, colors, strict=False)), CYCLE: cycle}


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
        figure = empty_figure(4.8, 4.8)
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

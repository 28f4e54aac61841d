"""Text in images: OpenCV's letters, and those of the system's fonts for the others.

OpenCV writes ASCII, and from version 5 on more letters, but not those of every script;
Pillow, which is optional, writes the others. ASCII goes straight to OpenCV.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any, List, NamedTuple, Tuple

import cv2
import numpy as np

from edge.display.fonts import find_font

FONT = cv2.FONT_HERSHEY_SIMPLEX
PIXELS = 30  # of a letter at scale 1
LEAST_PIXELS = 11
# Scripts whose letters change with their neighbours: from Devanagari to Sinhala,
# Tibetan and Myanmar, Khmer.
SHAPED = ((0x0900, 0x0DFF), (0x0F00, 0x109F), (0x1780, 0x17FF))
NO_PILLOW = "Pillow is missing", "pip install pillow"
NO_FONT = (
    "no font of this system has their letters",
    "install one, such as those of apt install fonts-noto-core fonts-noto-cjk",
)
NO_SHAPING = (
    "Pillow cannot join the letters of their script without libraqm and FriBiDi",
    "apt install libraqm0 libfribidi0",
)


class Run(NamedTuple):
    """A part of a text, and whether OpenCV writes it."""

    text: str
    by_opencv: bool


def text_size(text: str, scale: float) -> Tuple[Tuple[int, int], int]:
    """((width, height above the line), height below the line), as cv2.getTextSize."""
    if text.isascii():
        return cv2.getTextSize(text, FONT, scale, 1)
    width, above, below = 0, 0, 0
    for run in drawn_runs(text):
        if run.by_opencv:
            (wide, high), low = cv2.getTextSize(run.text, FONT, scale, 1)
        else:
            mask, _, top, wide = picture_of(run.text, pixels_of(scale))
            high, low = max(0, -top), max(0, mask.shape[0] + top)
        width, above, below = width + wide, max(above, high), max(below, low)
    return (width, above), below


def write(
    image: np.ndarray,
    text: str,
    origin: Tuple[int, int],
    scale: float,
    color: Tuple[int, int, int] = (255, 255, 255),
) -> None:
    """Draw text into `image` (H, W, 3), white by default.

    `origin` is x, y of its lower left corner.
    """
    if text.isascii():
        cv2.putText(image, text, origin, FONT, scale, color, 1, cv2.LINE_AA)
        return
    x, y = origin
    for run in drawn_runs(text):
        if run.by_opencv:
            cv2.putText(image, run.text, (x, y), FONT, scale, color, 1, cv2.LINE_AA)
            x += cv2.getTextSize(run.text, FONT, scale, 1)[0][0]
        else:
            mask, left, top, width = picture_of(run.text, pixels_of(scale))
            put_mask(image, mask, (x + left, y + top), color)
            x += width


def put_mask(
    image: np.ndarray,
    mask: np.ndarray,
    corner: Tuple[int, int],
    color: Tuple[int, int, int],
) -> None:
    """Blend a colour into `image` where `mask` (h, w) is over 0; `corner` is x, y."""
    x, y = corner
    rows = slice(max(0, y), min(image.shape[0], y + mask.shape[0]))
    columns = slice(max(0, x), min(image.shape[1], x + mask.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    inside = mask[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    weights = inside[..., None].astype(np.float32) / 255
    part = image[rows, columns]
    part[:] = np.rint(part * (1 - weights) + np.float32(color) * weights)


def pixels_of(scale: float) -> int:
    """The size of Pillow's letters that fits OpenCV's at a scale."""
    return max(LEAST_PIXELS, round(PIXELS * scale))


@lru_cache(maxsize=1024)
def runs_of(text: str) -> Tuple[Run, ...]:
    """A text in parts; spaces between letters of other scripts are in their part."""
    kinds = ["o" if can_write(letter) else "x" for letter in text]
    for at in range(1, len(text) - 1):
        if text[at] == " " and kinds[at - 1] == kinds[at + 1] == "x":
            kinds[at] = "x"
    spans = (match.span() for match in re.finditer("o+|x+", "".join(kinds)))
    return tuple(Run(text[a:b], kinds[a] == "o") for a, b in spans)


@lru_cache(maxsize=1024)
def drawn_runs(text: str) -> Tuple[Run, ...]:
    """The parts of a text, with escapes such as \\u0e16 for what cannot be drawn."""
    return tuple(
        Run(run.text.encode("ascii", "backslashreplace").decode("ascii"), True)
        if missing_for(run.text)[0]
        else run
        for run in runs_of(text)
    )


@lru_cache(maxsize=1024)
def missing_for(text: str) -> Tuple[str, str]:
    """Why a text cannot be drawn and what to do; empty if it can be drawn."""
    foreign = [run.text for run in runs_of(text) if not run.by_opencv]
    if not foreign:
        return "", ""
    try:
        from PIL import ImageFont, features
    except ImportError:
        return NO_PILLOW
    if not hasattr(ImageFont, "FreeTypeFont") or not features.check("freetype2"):
        return NO_PILLOW
    if any(map(needs_shaping, foreign)) and not features.check("raqm"):
        return NO_SHAPING
    found = all(find_font(letters_of(run)) for run in foreign)
    return ("", "") if found else NO_FONT


def letters_of(text: str) -> str:
    """Its letters, each once; without marks of direction, which have no glyph."""
    return "".join(sorted(c for c in set(text) if unicodedata.category(c) != "Cf"))


def needs_shaping(text: str) -> bool:
    """Whether letters are joined, reordered or written from right to left.

    >>> needs_shaping("road"), needs_shaping("\\u0628"), needs_shaping("\\u0e1e")
    (False, True, False)
    """
    return any(
        unicodedata.bidirectional(letter) in ("R", "AL", "AN")
        or any(first <= ord(letter) <= last for first, last in SHAPED)
        for letter in text
    )


@lru_cache(maxsize=512)
def picture_of(text: str, pixels: int) -> Tuple[np.ndarray, int, int, int]:
    """A text that OpenCV cannot write: its mask (h, w) uint8, left, top and width.

    `left` and `top` are from the start of the line to the corner of the mask. Raises
    LookupError for a text that cannot be drawn.
    """
    font = find_font(letters_of(text))
    if font is None:
        raise LookupError(f"no font has the letters of {text!r}")
    from PIL import Image, ImageDraw, ImageFont

    drawn = ImageFont.truetype(font.path, pixels, index=font.number)
    left, top, right, bottom = drawn.getbbox(text, anchor="ls")
    left, top = int(np.floor(left)), int(np.floor(top))
    size = max(1, int(np.ceil(right)) - left), max(1, int(np.ceil(bottom)) - top)
    canvas = Image.new("L", size)
    draw: Any = ImageDraw.Draw(canvas)
    draw.text((-left, -top), text, fill=255, font=drawn, anchor="ls")
    return np.asarray(canvas), left, top, int(np.ceil(drawn.getlength(text)))


@lru_cache(maxsize=4096)
def can_write(letter: str) -> bool:
    """Whether OpenCV writes this letter as it is read.

    It writes question marks for the letters that it lacks: OpenCV 4 for each byte
    beyond ASCII, OpenCV 5 for letters that its fonts lack. It does not join letters,
    nor write from right to left.
    """
    if letter.isascii():
        return letter.isprintable()
    if needs_shaping(letter) or unicodedata.category(letter)[0] in "MC":
        return False
    written = rendered(letter)
    return not any((written == rendered("?" * n)).all() for n in range(1, 5))


def rendered(text: str) -> np.ndarray:
    """(32, 96) uint8: the text in white on black."""
    image = np.zeros((32, 96), np.uint8)
    cv2.putText(image, text, (4, 24), FONT, 0.7, 255)
    return image


def undrawable(texts: Tuple[str, ...]) -> List[str]:
    """Those of the texts that cannot be drawn."""
    return [text for text in texts if missing_for(text)[0]]

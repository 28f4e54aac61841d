"""Class names at matplotlib's charts, in any script.

matplotlib brings a font without the letters of many scripts, and takes letters from
further fonts if it is told of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

from edge.core.errors import quoted
from edge.display.fonts import Font, find_font, has_letters
from edge.display.text import NO_FONT, letters_of

log = logging.getLogger(__name__)


def chart_names(names: Sequence[str], longest: int) -> list[str]:
    """Class names for a chart, of at most `longest` letters.

    A name that no font can draw is "class 3"; which ones those are is logged once.
    """
    left_out = [name for name in names if font_of(name) is None]
    if left_out:
        tell(len(left_out), left_out[0])
    shown = [
        f"class {index}" if name in left_out else name
        for index, name in enumerate(names)
    ]
    return [n if len(n) <= longest else n[: longest - 1] + "…" for n in shown]


@lru_cache(maxsize=16)
def tell(count: int, name: str) -> None:
    """Logs once that names cannot be drawn."""
    reason, remedy = NO_FONT
    log.warning(
        f"{count} class names, such as {quoted(name)}, cannot be drawn at charts: "
        f"{reason}; their numbers are drawn instead; {remedy}"
    )


def use_fonts(texts: Sequence[Any], names: Sequence[str]) -> None:
    """Has matplotlib draw texts that are names with the fonts that names need.

    A dollar sign in a name does not start a formula.
    """
    from matplotlib import font_manager, rcParams

    families = list(rcParams["font.family"])
    for font in filter(None, map(font_of, names)):
        if font.path not in known_files():
            font_manager.fontManager.addfont(font.path)
            known_files().add(font.path)
        family = font_manager.FontProperties(fname=font.path).get_name()
        families += [family] * (family not in families)
    for text in texts:
        if text.get_text() in names:
            text.set_fontfamily(families)
            text.set_parse_math(False)


@lru_cache(maxsize=1)
def known_files() -> set[str]:
    """The font files that matplotlib was told of."""
    return {str(matplotlib_font())}


@lru_cache(maxsize=1)
def matplotlib_font() -> Path:
    """The font that matplotlib brings."""
    from matplotlib import get_data_path

    return Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


@lru_cache(maxsize=1024)
def font_of(name: str) -> Optional[Font]:
    """The font of a name: matplotlib's own if it has the letters; None if none has."""
    own, letters = Font(str(matplotlib_font()), 0), letters_of(name)
    if name.isascii() or has_letters(own, letters):
        return own
    beside = "".join(c for c in letters if not has_letters(own, c))
    found = find_font(beside)
    return found if found and not found.number else None

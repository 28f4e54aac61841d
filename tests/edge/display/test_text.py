"""Text in any script: drawn, measured and clipped; ASCII as OpenCV writes it."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.display import fonts
from edge.display.text import (
    FONT,
    can_write,
    missing_for,
    rendered,
    runs_of,
    text_size,
    write,
)
from tests.support.fonts import forget_fonts, make_font

ROOT = Path(__file__).resolve().parents[3]
THAI = "ถนน"


@pytest.fixture(autouse=True)
def thai_font(tmp_path, monkeypatch):
    """A system with one font, which has Thai letters."""
    monkeypatch.setattr(fonts, "font_folders", lambda: [tmp_path])
    make_font(tmp_path / "thai.ttf", "ถน ")
    forget_fonts()
    yield
    forget_fonts()


def drawn(text: str, origin=(5, 30), size=(40, 200)) -> np.ndarray:
    image = np.full((*size, 3), 40, np.uint8)
    write(image, text, origin, 0.6, (10, 200, 90))
    return image


def test_ascii_is_what_opencv_writes():
    image = np.full((40, 200, 3), 40, np.uint8)
    color = (10, 200, 90)
    cv2.putText(image, "road 0.5", (5, 30), FONT, 0.6, color, 1, cv2.LINE_AA)
    assert (drawn("road 0.5") == image).all()
    assert text_size("road 0.5", 0.6) == cv2.getTextSize("road 0.5", FONT, 0.6, 1)


def test_letters_of_a_font_are_drawn_where_they_are_measured():
    """Bars of 320 and 380 thousandths of 18 pixels, 9 pixels from one to the next."""
    image = drawn(THAI)
    changed = np.argwhere((image != 40).any(axis=2))
    (width, above), below = text_size(THAI, 0.6)
    assert (width, below) == (27, 0)
    assert above in (6, 7)  # 0.38 * 18 = 6.8
    top, left = changed.min(axis=0)
    bottom, right = changed.max(axis=0)
    assert bottom == 29 and top == 30 - above
    assert left in (5, 6) and right < 5 + width
    assert (image[28, 9] == (10, 200, 90)).all()  # inside a bar: the colour itself


def test_parts_of_a_text_follow_each_other():
    text = f"{THAI} {THAI} 0.87"
    assert [run.text for run in runs_of(text)] == [f"{THAI} {THAI}", " 0.87"]
    (whole, _), _ = text_size(text, 0.6)
    parts = [text_size(part, 0.6)[0][0] for part in (f"{THAI} {THAI}", " 0.87")]
    assert whole == sum(parts)


@pytest.mark.parametrize("origin", [(-20, 30), (190, 30), (5, 2), (5, 44), (300, 300)])
def test_text_at_an_edge_is_cut_off(origin):
    """As OpenCV cuts it: what is inside is the same as without the edge."""
    wide = np.full((440, 700, 3), 40, np.uint8)
    write(wide, THAI, (origin[0] + 200, origin[1] + 200), 0.6, (10, 200, 90))
    assert (drawn(THAI, origin) == wide[200:240, 200:400]).all()


def test_what_cannot_be_drawn_has_a_reason():
    assert missing_for("road") == ("", "") == missing_for(THAI)
    assert "no font" in missing_for("ពក")[0]
    assert "no font" in missing_for(f"{THAI}ពក")[0]
    assert (drawn("ពក") == drawn("\\u1796\\u1780")).all()
    assert text_size("ពក", 0.6) == text_size("\\u1796\\u1780", 0.6)


def test_without_pillow_it_is_the_reason():
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "from edge.display.text import missing_for\n"
        f"print(*map(ascii, missing_for({THAI!r})), missing_for('road'))"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "'Pillow is missing' 'pip install pillow' ('', '')\n"


@pytest.mark.parametrize("letter", ["ع", "ש", "क", "\u0301", "\u200f", "\n", "\x7f"])
def test_letters_that_opencv_would_write_wrongly(letter):
    """Joined, from right to left, on other letters, or not letters at all."""
    assert not can_write(letter)


@pytest.mark.parametrize("letter", ["é", "я", "犬", "ถ", "\U0001f415"])
def test_opencv_is_asked_for_the_others(letter):
    marks = [rendered("?" * count) for count in range(1, 5)]
    same = any((rendered(letter) == each).all() for each in marks)
    assert can_write(letter) == (not same)

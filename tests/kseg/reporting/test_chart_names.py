"""Class names at charts: with the fonts that they need, or numbers."""

import warnings

import numpy as np
import pytest

from edge.display import fonts
from kseg.reporting.chart_names import chart_names, font_of, tell
from kseg.reporting.figures import confusion_figure
from tests.support.fonts import forget_fonts, make_font

NAMES = ("road", "дорога", "ถนน", "a$b$c", "犬" * 30)


@pytest.fixture(autouse=True)
def one_font(tmp_path, monkeypatch):
    """A system with a font of the letter 犬; Thai has none."""
    monkeypatch.setattr(fonts, "font_folders", lambda: [tmp_path])
    make_font(tmp_path / "dog.ttf", "犬")
    forget_fonts()
    font_of.cache_clear()
    tell.cache_clear()
    yield
    forget_fonts()
    font_of.cache_clear()


def test_names_without_a_font_are_numbers_and_long_ones_are_cut(caplog):
    assert chart_names(NAMES, 6) == ["road", "дорога", "class…", "a$b$c", "犬犬犬犬犬…"]
    assert chart_names(NAMES, 8)[2] == "class 2"
    (record,) = caplog.records
    assert "1 class names, such as 'ถนน', cannot be drawn" in record.getMessage()


def test_a_figure_with_any_names_is_drawn_without_a_warning(tmp_path):
    figure = confusion_figure(np.eye(5, dtype=int), NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "Glyph 29356 missing from font"
        figure.savefig(tmp_path / "a.png")
    labels = figure.axes[0].get_yticklabels()
    assert [text.get_text() for text in labels[:4]] == [
        *("road", "дорога", "class 2", "a$b$c")
    ]
    assert labels[4].get_fontfamily()[-1] == "dog"

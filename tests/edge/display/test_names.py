"""Class names in frames, with any version of OpenCV and any fonts."""

import logging

import pytest

from edge.display import fonts
from edge.display.names import written_name
from edge.model_file.info import ModelInfo
from tests.support.fonts import forget_fonts, make_font

NAMES = ("dog", "ถนน", "a\tb", "what?", "ពក")
INFO = ModelInfo(NAMES, ((0, 0, 1),) * len(NAMES))


@pytest.fixture(autouse=True)
def no_fonts(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "font_folders", lambda: [tmp_path])
    forget_fonts()
    yield
    forget_fonts()


def written() -> list[str]:
    return [written_name(INFO, index) for index in range(len(NAMES))]


def test_names_without_a_font_are_numbers_and_that_is_said_once(caplog):
    assert written() == written() == ["dog", "class 1", "class 2", "what?", "class 4"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    said = "3 of 5 class names, such as 'ถนน', cannot be drawn: no font of this system"
    assert record.getMessage().startswith(said)
    assert "apt install fonts-noto-core" in record.getMessage()


def test_names_with_a_font_are_written(tmp_path, caplog):
    make_font(tmp_path / "both.ttf", "ถน")
    assert written() == ["dog", "ถนน", "class 2", "what?", "class 4"]
    assert "2 of 5 class names, such as 'a\\tb'" in caplog.text


def test_names_that_can_all_be_written_say_nothing(caplog):
    info = ModelInfo(("dog", "what?"), ((0, 0, 1),) * 2)
    assert [written_name(info, k) for k in range(2)] == ["dog", "what?"]
    assert caplog.records == []

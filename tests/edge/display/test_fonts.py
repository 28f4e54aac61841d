"""Fonts are found by their letters; the fonts here are made with fontTools."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.display import fonts
from edge.display.fonts import Font, find_font, has_letters, ranked_fonts
from tests.support.fonts import forget_fonts, make_font

THAI = "พื้นถน"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """A system whose only fonts are in this folder."""
    monkeypatch.setattr(fonts, "font_folders", lambda: [tmp_path])
    forget_fonts()
    yield tmp_path
    forget_fonts()


@pytest.mark.parametrize("letters", ["road", THAI, "Ωя", "犬", "\U00010330\U00010331"])
def test_a_font_has_the_letters_of_its_character_map(tmp_path, letters):
    """The last two are beyond 16 bits: a map of format 12."""
    path = make_font(tmp_path / "a.ttf", letters)
    assert has_letters(Font(str(path), 0), letters)
    assert not has_letters(Font(str(path), 0), letters + "Z")
    assert not has_letters(Font(str(path), 0), chr(ord(letters[0]) - 1))


def test_the_maps_of_real_fonts_are_those_that_fonttools_reads():
    from fontTools.ttLib import TTFont
    from matplotlib import get_data_path

    path = Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    known = TTFont(path).getBestCmap()
    with path.open("rb") as file:
        begin, size = fonts.table_places(file, 0)["cmap"]
        file.seek(begin)
        table = fonts.unicode_table(file.read(size))
    some = [*range(0x20, 0x3000, 7), *range(0x1D538, 0x1D550), 0x10FFFF]
    assert [bool(fonts.glyph_of(table, code)) for code in some] == [
        code in known for code in some
    ]


def test_the_most_legible_font_that_has_the_letters_is_chosen(folder):
    (folder / "deep").mkdir()
    make_font(folder / "Latin.ttf", "abc")
    bold = make_font(folder / "A-Bold.ttf", THAI)
    regular = make_font(folder / "deep" / "Z.ttf", THAI)
    assert find_font(THAI) == Font(str(regular), 0)
    assert find_font("abc") == Font(str(folder / "Latin.ttf"), 0)
    assert find_font("abcพ") is None
    regular.unlink()
    forget_fonts()
    assert find_font(THAI) == Font(str(bold), 0)


def test_files_that_are_no_fonts_and_fonts_of_placeholders_are_left_out(folder):
    (folder / "empty.ttf").touch()
    (folder / "text.otf").write_bytes(b"text" * 100)
    cut = make_font(folder / "cut.ttf", THAI)
    cut.write_bytes(cut.read_bytes()[:100])
    make_font(folder / "LastResortHE.ttf", THAI)
    (folder / "note.txt").touch()
    assert len(ranked_fonts()) == 3
    assert find_font(THAI) is None


def test_a_collection_has_several_fonts(folder):
    from fontTools.ttLib import TTCollection, TTFont

    collection = TTCollection()
    for name, letters in (("a.ttf", "abc"), ("b.ttf", THAI)):
        path = make_font(folder / name, letters)
        collection.fonts.append(TTFont(path))
    collection.save(folder / "both.ttc")
    for name in ("a.ttf", "b.ttf"):
        (folder / name).unlink()
    forget_fonts()
    assert find_font(THAI) == Font(str(folder / "both.ttc"), 1)

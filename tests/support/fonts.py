"""Fonts that are made for a test."""

from pathlib import Path

from edge.display import fonts, names, text


def make_font(path: Path, letters: str) -> Path:
    """A font whose letters are bars of a height of their own."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    codes = {ord(letter): f"g{number}" for number, letter in enumerate(letters)}
    order = [".notdef", *codes.values()]
    glyphs = {}
    for number, name in enumerate(order):
        pen = TTGlyphPen(None)
        high = 200 + 60 * number
        pen.moveTo((50, 0))
        for point in ((50, high), (450, high), (450, 0)):
            pen.lineTo(point)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(codes)
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics({name: (500, 50) for name in order})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def forget_fonts() -> None:
    """Fonts are looked for again."""
    for function in (
        *(fonts.find_font, fonts.ranked_fonts, text.missing_for, text.picture_of),
        *(names.tell_undrawable, text.drawn_runs),
    ):
        function.cache_clear()

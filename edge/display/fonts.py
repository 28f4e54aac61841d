"""Fonts of the system that have given letters, found by their character maps.

Only the tables that are needed are read (OpenType specification: table directory,
`cmap` of formats 4 and 12), so that hundreds of files take a fraction of a second.
"""

from __future__ import annotations

import os
import re
import struct
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Iterator, NamedTuple, Optional

from edge.core.system import font_folders

SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
OUTLINES = ("glyf", "CFF ", "CFF2")  # one of them: letters of any size
# Fonts that draw a placeholder, or nothing, for every letter.
PLACEHOLDERS = re.compile("lastresort|adobe-?blank|fallback", re.IGNORECASE)
# What makes a font less legible in small letters than a regular one without serifs.
UNUSUAL = re.compile(
    "bold|italic|oblique|light|thin|black|medium|mono|serif|condensed|narrow|hand|math",
    re.IGNORECASE,
)
UNICODE = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3))  # platform and encoding, best first


class Font(NamedTuple):
    """A font file, and which of its fonts: a collection has several."""

    path: str
    number: int


@lru_cache(maxsize=256)
def find_font(letters: str) -> Optional[Font]:
    """The most legible font that has all letters; None if there is none."""
    for font in ranked_fonts():
        if has_letters(font, letters):
            return font
    return None


@lru_cache(maxsize=1)
def ranked_fonts() -> tuple[Font, ...]:
    """The fonts of the system, regular ones without serifs first."""
    paths = {path for folder in font_folders() for path in font_files(folder)}
    ranked = sorted(paths, key=lambda path: (len(UNUSUAL.findall(path.name)), path))
    return tuple(
        Font(str(path), number) for path in ranked for number in fonts_in(path)
    )


def font_files(folder: Path) -> Iterator[Path]:
    """The font files in a folder and those in it; links to folders are not followed."""
    for inside, _, names in os.walk(folder):
        for name in names:
            if name.lower().endswith(SUFFIXES) and not PLACEHOLDERS.search(name):
                yield Path(inside, name)


def fonts_in(path: Path) -> range:
    """The numbers of the fonts in a file; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return range(0)
    if start[:4] == b"ttcf":
        return range(int.from_bytes(start[8:12], "big"))
    return range(1)


def has_letters(font: Font, letters: str) -> bool:
    """Whether a font has outlines of all letters; False if it cannot be read."""
    try:
        with open(font.path, "rb") as file:
            tables = table_places(file, font.number)
            if not any(name in tables for name in OUTLINES) or "cmap" not in tables:
                return False
            begin, size = tables["cmap"]
            file.seek(begin)
            cmap = file.read(size)
        table = unicode_table(cmap)
        return bool(table) and all(glyph_of(table, ord(c)) for c in letters)
    except (OSError, struct.error, IndexError):
        return False


def table_places(file: BinaryIO, number: int) -> dict[str, tuple[int, int]]:
    """Where each table of a font begins, and its size in bytes."""
    start = 0
    if file.read(4) == b"ttcf":
        file.seek(12 + 4 * number)
        (start,) = struct.unpack(">I", file.read(4))
    file.seek(start + 4)
    (count,) = struct.unpack(">H", file.read(2))
    file.seek(start + 12)
    entries = (struct.unpack(">4s4xII", file.read(16)) for _ in range(count))
    return {name.decode("latin-1"): (begin, size) for name, begin, size in entries}


def unicode_table(cmap: bytes) -> bytes:
    """The part of a character map for Unicode, from where it begins; or b""."""
    (count,) = struct.unpack_from(">H", cmap, 2)
    places = {}
    for entry in range(count):
        platform, encoding, at = struct.unpack_from(">HHI", cmap, 4 + 8 * entry)
        places[platform, encoding] = at
    for kind in UNICODE:
        if kind in places and cmap[places[kind] :][:2] in (b"\0\x04", b"\0\x0c"):
            return cmap[places[kind] :]
    return b""


def glyph_of(table: bytes, code: int) -> int:
    """The number of a letter's glyph in a map of format 4 or 12; 0 if it has none."""
    if table[1] == 12:
        (groups,) = struct.unpack_from(">I", table, 12)
        for first, last, glyph in struct.iter_unpack(">III", table[16:][: 12 * groups]):
            if first <= code <= last:
                return glyph + code - first
        return 0
    (twice,) = struct.unpack_from(">H", table, 6)
    ends = struct.unpack_from(f">{twice // 2}H", table, 14)
    segment = next((i for i, end in enumerate(ends) if code <= end), None)
    if segment is None:
        return 0
    places = (16 + part * twice + 2 * segment for part in (1, 2, 3))
    start, delta, offset = (struct.unpack_from(">H", table, p)[0] for p in places)
    if code < start:
        return 0
    if not offset:
        return (code + delta) & 0xFFFF
    at = 16 + 3 * twice + 2 * segment + offset + 2 * (code - start)
    (glyph,) = struct.unpack_from(">H", table, at)
    return (glyph + delta) & 0xFFFF if glyph else 0

"""The tags of TIFF files and EXIF blocks, which have the same structure (TIFF 6.0)."""

from __future__ import annotations

from typing import Any, Iterator

ORIENTATION = 274
WHOLE = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8}  # types of whole numbers -> bytes
SIZES = {**WHOLE, 2: 1, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 17: 8, 18: 8}
MOST_PAGES = 100_000  # of a file whose chain of pages may be a circle
MOST_VALUES = 64  # of a tag; only short ones are of interest
REDUCED = 0b101  # bits of tag 254: a smaller copy of another page, or its mask
GREY, PALETTE, CMYK = (0, 1), 3, 5  # tag 262
FAX = (2, 3, 4)  # compressions of black and white; their white is 0 by habit
LOSSY = (6, 7, 34712, 34892, 50001, 33003, 33005, 50002)  # JPEG, JPEG 2000, WebP, JXL


def pages_of(data: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """The tags of each page: number -> values, of those that are whole numbers."""
    order = "little" if data[:2] == b"II" else "big"
    big = data[2:4] in (b"+\0", b"\0+")
    wide, word = (8, 20) if big else (4, 12)  # bytes of an offset and of an entry
    counted = 8 if big else 2

    def number(at: int, size: int) -> int:
        if at < 0 or at + size > len(data):
            raise IndexError
        return int.from_bytes(data[at : at + size], order)

    def values(entry: int) -> tuple[int, ...]:
        size, count = SIZES.get(number(entry + 2, 2), 1), number(entry + 4, wide)
        at = entry + 4 + wide
        if size * count > wide:
            at = number(at, wide)
        return tuple(
            number(at + i * size, size) for i in range(min(count, MOST_VALUES))
        )

    at, seen = number(wide if big else 4, wide), set()
    while at and at not in seen and len(seen) < MOST_PAGES:
        seen.add(at)
        tags = {}
        for index in range(number(at, counted)):
            entry = at + counted + index * word
            if number(entry + 2, 2) in WHOLE:
                try:
                    tags[number(entry, 2)] = values(entry)
                except IndexError:  # its values are outside the file
                    continue
        yield tags
        at = number(at + counted + number(at, counted) * word, wide)


def exif_orientation(block: bytes) -> int:
    """The orientation, 1 to 8, of an EXIF block; 1 where it has none that exists."""
    if block[:6] == b"Exif\0\0":
        block = block[6:]
    if block[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    try:
        value = next(pages_of(block)).get(ORIENTATION, (1,))
    except (IndexError, StopIteration):
        return 1
    return value[0] if value and 1 <= value[0] <= 8 else 1


def tiff_fields(data: bytes) -> dict[str, Any]:
    """The fields of edge.core.image_header.Header of a TIFF file."""
    first: dict[int, tuple[int, ...]] = {}
    pages = 0
    try:
        for tags in pages_of(data):
            first = first or tags
            pages += not tags.get(254, (0,))[0] & REDUCED
    except IndexError:  # the chain of pages leaves the file
        pass
    height, width = (first.get(tag, (0,))[0] for tag in (257, 256))
    photometric = first.get(262, (1,))[0]
    compression = first.get(259, (1,))[0]
    value = first.get(ORIENTATION, (1,))[0]
    return {
        "size": (height, width),
        "bits": first.get(258, (1,))[0],
        "channels": 3 if photometric == PALETTE else first.get(277, (1,))[0],
        "orientation": value if 1 <= value <= 8 else 1,
        "pages": max(1, pages),
        "problem": tiff_problem(first, photometric),
        "lossy": compression in LOSSY,
        "palette": photometric == PALETTE,
        "alpha": len(first.get(338, ())) == 1 and first[338][0] in (1, 2),
        "inverted": photometric == 0 and compression not in FAX,
    }


def tiff_problem(tags: dict[int, tuple[int, ...]], photometric: int) -> str:
    """Why the first page is not an image of grey or colours; empty if it is."""
    bands, extra = tags.get(277, (1,))[0], tags.get(338, ())
    bits, kind = tags.get(258, (1,))[0], tags.get(339, (1,))[0]
    if tags.get(32997, (1,))[0] > 1:
        return f"is a volume of {tags[32997][0]} layers; save each as a file of its own"
    alpha = len(extra) == 1 and extra[0] in (1, 2) and bands in (2, 4, 5)
    if bands - alpha not in ((4,) if photometric == CMYK else (1, 3)):
        return (
            f"has {bands} bands, but grey and RGB images are read; save the one or "
            "three bands to use as a file of their own"
        )
    if kind in (5, 6):
        return "has complex numbers; save their magnitude as 8-bit grey"
    if kind == 3 and bits not in (32, 64):
        return f"has floats of {bits} bits; save them as 32-bit floats"
    return ""

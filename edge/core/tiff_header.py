"""The tags of TIFF files and EXIF blocks, which have the same structure (TIFF 6.0)."""

from __future__ import annotations

from typing import Any, Iterator, NamedTuple

ORIENTATION, EXTRA = 274, 338
APPLIED, ALPHA = 1, (1, 2)  # of EXTRA: alpha that colours were multiplied by, and any
WHOLE = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8}  # types of whole numbers -> bytes
SIZES = {**WHOLE, 2: 1, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 17: 8, 18: 8}
MOST_PAGES = 100_000  # of a file whose chain of pages may be a circle
MOST_VALUES = 64  # of a tag; only short ones are of interest
REDUCED = 0b101  # bits of tag 254: a smaller copy of another page, or its mask
RGB, PALETTE, CMYK = 2, 3, 5  # tag 262
DEEP = (0, 1, RGB, PALETTE, 32844, 32845)  # of tag 262: those read above 8 bits
PLANAR = 2  # of tag 284: the bands are stored one after another
FAX = (2, 3, 4)  # compressions of black and white; their white is 0 by habit
LOSSY = (6, 7, 34712, 34892, 50001, 33003, 33005, 50002)  # JPEG, JPEG 2000, WebP, JXL


class Tag(NamedTuple):
    """The values of a tag, and where in the file they begin."""

    values: tuple[int, ...]
    at: int


def pages_of(data: bytes) -> Iterator[dict[int, Tag]]:
    """The tags of each page: number -> tag, of those that hold whole numbers."""
    order = "little" if data[:2] == b"II" else "big"
    big = data[2:4] in (b"+\0", b"\0+")
    wide, word = (8, 20) if big else (4, 12)  # bytes of an offset and of an entry
    counted = 8 if big else 2

    def number(at: int, size: int) -> int:
        if at < 0 or at + size > len(data):
            raise IndexError
        return int.from_bytes(data[at : at + size], order)

    def tag_of(entry: int) -> Tag:
        size, count = SIZES.get(number(entry + 2, 2), 1), number(entry + 4, wide)
        at = entry + 4 + wide
        if size * count > wide:
            at = number(at, wide)
        count = max(1, min(count, MOST_VALUES))
        return Tag(tuple(number(at + i * size, size) for i in range(count)), at)

    at, seen = number(wide if big else 4, wide), set()
    while at and at not in seen and len(seen) < MOST_PAGES:
        seen.add(at)
        tags = {}
        for index in range(number(at, counted)):
            entry = at + counted + index * word
            if number(entry + 2, 2) in WHOLE:
                try:
                    tags[number(entry, 2)] = tag_of(entry)
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
        value = value_of(next(pages_of(block)), ORIENTATION)
    except (IndexError, StopIteration):
        return 1
    return value if 1 <= value <= 8 else 1


def value_of(tags: dict[int, Tag], number: int, default: int = 1) -> int:
    """The first value of a tag."""
    return tags[number].values[0] if number in tags else default


def tiff_fields(data: bytes) -> dict[str, Any]:
    """The fields of edge.core.image_header.Header of a TIFF file."""
    first: dict[int, Tag] = {}
    pages = 0
    try:
        for tags in pages_of(data):
            first = first or tags
            pages += not value_of(tags, 254, 0) & REDUCED
    except IndexError:  # the chain of pages leaves the file
        pass
    photometric, compression = value_of(first, 262), value_of(first, 259)
    orientation = value_of(first, ORIENTATION)
    return {
        "size": (value_of(first, 257, 0), value_of(first, 256, 0)),
        "bits": value_of(first, 258),
        "channels": 3 if photometric == PALETTE else value_of(first, 277),
        "orientation": orientation if 1 <= orientation <= 8 else 1,
        "pages": max(1, pages),
        "problem": tiff_problem(first, photometric),
        "lossy": compression in LOSSY,
        "palette": photometric == PALETTE,
        "alpha": value_of(first, EXTRA, 0) in ALPHA,
        "extra_at": first[EXTRA].at if EXTRA in first else 0,
        "inverted": photometric == 0 and compression not in FAX,
        "planar": value_of(first, 284) == PLANAR and value_of(first, 277) > 1,
        "signed": value_of(first, 339) == 2,
    }


def tiff_problem(tags: dict[int, Tag], photometric: int) -> str:
    """Why the first page is not an image of grey or colours; empty if it is."""
    bands, bits, kind = (value_of(tags, number) for number in (277, 258, 339))
    extra = tags[EXTRA].values if EXTRA in tags else ()
    layers = value_of(tags, 32997)
    if layers > 1:
        return f"is a volume of {layers} layers; save each as a file of its own"
    alpha = len(extra) == 1 and extra[0] in ALPHA and bands in (2, 4, 5)
    # OpenCV writes alpha without a tag for it.
    alpha = alpha or (not extra and photometric == RGB and bands == 4)
    if bands - alpha not in ((4,) if photometric == CMYK else (1, 3)):
        return (
            f"has {bands} bands, but grey and RGB images are read; save the one or "
            "three bands to use as a file of their own"
        )
    if bits > 8 and photometric not in DEEP:  # OpenCV takes any colours for RGB
        return f"has {bits}-bit colours that are not RGB; save it as RGB"
    if bands == 2 and bits > 8:  # OpenCV cuts it to 8 bits
        return f"has grey of {bits} bits with alpha; save it without alpha"
    if kind in (5, 6):
        return "has complex numbers; save their magnitude as 8-bit grey"
    if kind == 3 and bits not in (32, 64):
        return f"has floats of {bits} bits; save them as 32-bit floats"
    return ""


def without_multiplication(data: bytes, at: int) -> bytes:
    """A TIFF file whose alpha, if it has any, is marked as applied already.

    `at` is where the values of tag EXTRA are. Otherwise libtiff multiplies colours by
    alpha.
    """
    order = "little" if data[:2] == b"II" else "big"
    return data[:at] + APPLIED.to_bytes(2, order) + data[at + 2 :]

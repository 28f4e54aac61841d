"""Mask files: reading them and converting their ids and colours to class ids."""

from __future__ import annotations

import io
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Optional

import numpy as np
from PIL import Image

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.damage import essential_png, jpeg_problem
from edge.core.errors import InputError, quoted
from edge.core.image_header import PNG_START, read_header
from edge.core.images import checked_header, list_images, read_bytes, read_raw, upright
from kseg.data.class_list import by_id, read_listed, to_whole
from kseg.data.mask_files import MaskError, open_pillow, read_mask

INVALID = -1  # the class id of ids that are outside the classes
LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".jp2")
SMOOTH = 8  # values that no class has; so many come from smoothing, not from a slip
SMOOTH_REMEDY = "export the mask without smoothing, and resize it with nearest"
EXAMPLE = (
    '{"classes": [{"name": "road", "color": [128, 64, 128]}, ...], "ignore_index": 255}'
)
LOSSY_NAMES = {".webp": "lossy WebP", ".avif": "AVIF", ".jp2": "JPEG 2000"}


@dataclass(frozen=True)
class Classes:
    """The classes of a folder's masks.

    `table` maps the 256 ids of files to class ids, IGNORE_INDEX or INVALID.
    `file_colors` maps the RGB colours of colour masks to file ids, void included.
    `source` is the name of the file that defines the classes; `void_given` says whether
    it names the id of void.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    table: np.ndarray
    file_colors: dict[tuple[int, int, int], int] = field(default_factory=dict)
    source: str = "classes.json"
    void_given: bool = False

    def record(self) -> list[Any]:
        """All that the ids of a mask depend on, as values whose `repr` shows it."""
        colors = sorted(self.file_colors.items())
        kept = [self.names, self.table.tolist(), colors, self.source]
        return [*kept, self.void_given]


def is_lossy(mask: Path) -> bool:
    """Whether a mask is in a format whose compression changes ids.

    The content decides: WebP may be lossless. Without such a suffix, and if it cannot
    be read, that is left to `load_mask`.
    """
    if mask.suffix.lower() not in LOSSY:
        return False
    try:
        header = read_header(read_bytes(mask))
    except InputError:
        return False
    return header.lossy or not header.kind


def lossy_error(mask: Path) -> str:
    kind = LOSSY_NAMES.get(mask.suffix.lower(), "JPEG and WebP")
    return f"{mask}: {kind} compression changes class ids; save the mask as PNG"


def files_by_stem(folder: Path) -> dict[str, Path]:
    """Stem -> image file of a folder. Raises InputError if two have the same stem."""
    files, repeated = first_by_stem(folder)
    if repeated:
        raise InputError(same_stem_error(folder, repeated))
    return {path.stem: path for path in files.values()}


def first_by_stem(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """Stem -> the first image file with that stem, by name; and the other files."""
    files: dict[str, Path] = {}
    repeated = []
    for path in list_images(folder):
        stem = stem_of(path)
        if stem in files:
            repeated.append(path)
        files.setdefault(stem, path)
    return files, repeated


def stem_of(path: PurePath) -> str:
    """The stem that files of a pair share, in composed form (NFC).

    Macs and some archives decompose letters with accents: é becomes e and an accent.
    """
    return unicodedata.normalize("NFC", path.stem)


def same_stem_error(folder: Path, repeated: list[Path]) -> str:
    stem, count = Counter(map(stem_of, repeated)).most_common(1)[0]
    return f"{folder}: {count + 1} files have the stem {stem}; keep one of them"


# --- ids and colours ---


def read_classes(path: Path) -> Optional[Classes]:
    """Reads `classes.json`; None if the file does not exist.

    The format is `{"classes": [{"name", "color", "id"}], "ignore_index": N}`, where
    color, id and ignore_index are optional. Without ids, the position is the id. The
    class with the id ignore_index, if any, is void; the classes after it get class ids
    smaller by one.
    """
    if not path.is_file():
        return None
    content, listed = read_listed(path, EXAMPLE)
    listed = by_id(path, listed)
    names, colors = [each.name for each in listed], [each.color for each in listed]
    ignore_index = ignore_index_of(content, path)
    if len({c for c in colors if c}) < len([c for c in colors if c]):
        raise InputError(f"{path}: two classes have the same colour; change one")
    file_colors = {c: i for i, c in enumerate(colors) if c}
    kept = [index for index in range(len(names)) if index != ignore_index]
    names, colors = ([items[i] for i in kept] for items in (names, colors))
    if not 2 <= len(names) <= 255 or not 0 <= ignore_index <= 255:
        raise InputError(
            f"{path}: {len(names)} classes with ignore_index {quoted(ignore_index)}; "
            "it needs 2 to 255 classes, background included, and an ignore_index from "
            "0 to 255"
        )
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two classes have the same name; rename one")
    table = np.full(256, INVALID, np.int16)
    table[kept] = np.arange(len(names))
    table[ignore_index] = IGNORE_INDEX
    defaults = palette(len(names))
    colors = tuple(c or default for c, default in zip(colors, defaults, strict=True))
    void_given = "ignore_index" in content
    return Classes(tuple(names), colors, table, file_colors, void_given=void_given)


def ignore_index_of(content: dict[str, Any], path: Path) -> int:
    """The id of void in classes.json. Raises InputError if it is no whole number."""
    try:
        return to_whole(content.get("ignore_index", IGNORE_INDEX), "ignore_index")
    except ValueError as error:
        raise InputError(
            f"{path}: {error}; give the id of void, from 0 to 255, or leave it out"
        ) from None


def count_classes(ids: list[np.ndarray]) -> Classes:
    """Derives classes from the ids that occur: {0, 255} is binary, else 255 is void.

    `ids` are arrays (256,) that are nonzero for the ids in one mask, such as counts.
    """
    seen = np.flatnonzero(np.sum(ids, axis=0))
    table = np.full(256, INVALID, np.int16)
    if set(seen) == {0, 255}:
        table[[0, 255]] = 0, 1
        return Classes(("background", "foreground"), palette(2), table)
    count = max(2, int(seen[seen != IGNORE_INDEX].max(initial=0)) + 1)
    table[:count] = np.arange(count)
    table[255] = IGNORE_INDEX
    names = tuple(f"class {index}" for index in range(count))
    return Classes(names, palette(count), table)


def to_class_ids(mask: np.ndarray, path: Path, classes: Classes) -> np.ndarray:
    """Converts a mask of ids or colours to (H, W) uint8 class ids, void IGNORE_INDEX.

    Raises InputError for ids and colours that are outside the classes.
    """
    if mask.ndim == 3:
        mask = colors_to_ids(mask, path, classes.file_colors, classes.source)
    result = classes.table[mask]
    if result.min(initial=0) == INVALID:
        raise InputError(invalid_id_error(mask, result == INVALID, path, classes))
    return result.astype(np.uint8)


def invalid_id_error(
    mask: np.ndarray, wrong: np.ndarray, path: Path, classes: Classes
) -> str:
    """The error message for a mask (H, W) of ids, `wrong` where they are INVALID."""
    row, column = np.argwhere(wrong)[0]
    found = f"id {mask[row, column]} at row {row}, column {column} is"
    remedy = f"correct the mask or {classes.source}"
    values = len(np.unique(mask[wrong]))
    if values >= SMOOTH:
        found = f"{values} ids, such as {found.removeprefix('id ')[:-3]}, are"
        remedy = f"edges that were smoothed have such values: {SMOOTH_REMEDY}"
    return f"{path}: {found} outside the {len(classes.names)} classes; {remedy}"


def colors_to_ids(
    mask: np.ndarray,
    path: Path,
    colors: dict[tuple[int, int, int], int],
    source: str = "classes.json",
) -> np.ndarray:
    """(H, W, 3) RGB -> (H, W) ids by `colors`.

    A mask of other colours whose three channels are equal holds ids already. Raises
    InputError for any other unknown colour.
    """
    weights = np.array([1 << 16, 1 << 8, 1])
    codes = mask.astype(np.int64) @ weights
    known = np.array(sorted(int(weights @ np.array(c)) for c in colors) or [-1])
    ids = {int(weights @ np.array(c)): i for c, i in colors.items()}
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    wrong = known[place] != codes
    if not wrong.any():
        return np.array([ids[code] for code in known.tolist()])[place]
    if holds_ids(mask, wrong, colors):
        return mask[..., 0]
    row, column = np.argwhere(wrong)[0]
    color = mask[row, column].tolist()
    if not colors:
        raise InputError(
            f"{path}: the mask is RGB, but no classes.json assigns its colours (such "
            f"as {color}) to classes; add classes.json to the data folder"
        )
    remedy = "add it or correct the mask"
    values = len(np.unique(codes[wrong]))
    if values >= SMOOTH:
        remedy = f"{values} colours are not: edges that were smoothed have such "
        remedy += f"values; {SMOOTH_REMEDY}"
    raise InputError(
        f"{path}: colour {color} at row {row}, column {column} is not in {source}; "
        f"{remedy}"
    )


def holds_ids(
    mask: np.ndarray, wrong: np.ndarray, colors: dict[tuple[int, int, int], int]
) -> bool:
    """Whether a mask (H, W, 3) of colours, `wrong` where none is listed, holds ids.

    Its channels are equal, and listed greys in it, such as Cityscapes' (70, 70, 70),
    are not larger than ids.
    """
    if not (mask == mask[..., :1]).all():
        return False
    greys = mask[..., 0][~wrong]
    largest = max(colors.values(), default=0)
    return bool(((greys <= largest) | (greys == IGNORE_INDEX)).all())


# --- files ---


def inspect_image(path: Path) -> tuple[tuple[int, int], bool]:
    """(height, width) of the upright image, and whether it is grey.

    PNG is not decoded but its checksums are compared; JPEG is decoded at an eighth of
    its size. Raises InputError if it cannot be read or is damaged.
    """
    data = read_bytes(path)
    header = checked_header(path, data, checksums=True)
    if header.kind not in ("JPEG", "PNG"):
        image = read_raw(path)
        return image.shape[:2], image.ndim == 2
    if header.kind == "JPEG":
        problem = jpeg_problem(data, header)
        if problem:
            raise InputError(f"{path}: {problem}")
    height, width = header.size
    if header.orientation >= 5:
        height, width = width, height
    return (height, width), header.channels <= 2


def stored_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) before EXIF rotation; some Pillow versions rotate TIFF files."""
    if image.format == "TIFF":
        return image.tag_v2[257], image.tag_v2[256]
    return image.height, image.width


def open_image(path: Path) -> Image.Image:
    """Opens a file with Pillow. Raises InputError if it is not an image."""
    if path.suffix.lower() != ".png":
        return open_pillow(path, path)
    data = read_bytes(path)
    if data.startswith(PNG_START):  # Pillow refuses long texts
        data = essential_png(data, (b"tRNS", b"eXIf"))
    return open_pillow(path, io.BytesIO(data))


def load_mask(path: Path, image: Path, colored: bool = False) -> np.ndarray:
    """Reads a mask file, upright: (H, W) uint8 ids or (H, W, 3) uint8 RGB.

    With `colored`, a palette PNG gives its colours instead of its ids. Raises
    InputError if the file cannot be read.
    """
    mask = load_upright(path, image, colored)
    check_ids(mask, path, 255)
    return mask.astype(np.uint8, copy=False)


def check_ids(mask: np.ndarray, path: Path, largest: int) -> None:
    """Raises InputError for ids (H, W) that are not whole or not 0 to `largest`."""
    if mask.dtype == np.uint8 and largest >= 255 or mask.ndim != 2:
        return
    if mask.dtype.kind == "f":
        check_whole(mask, path)
    low, high = mask.min(initial=0), mask.max(initial=0)
    if high > largest or low < 0:
        wrong = high if high > largest else low
        row, column = np.argwhere(mask == wrong)[0]
        raise MaskError(
            "ids",
            f"{path}: id {wrong}; ids must be from 0 to {largest}, but row {row}, "
            f"column {column} has it",
        )


def check_whole(mask: np.ndarray, path: Path) -> None:
    """Raises InputError for ids (H, W), floats, that are nan or not whole."""
    missing = ~np.isfinite(mask)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise MaskError(
            "ids",
            f"{path}: has ids that are not whole numbers: {mask[row, column]} in "
            f"{np.count_nonzero(missing)} pixels, the first at row {row}, column "
            f"{column}; give pixels without a label the id of void, 255",
        )
    parts = mask % 1 != 0
    if parts.any():
        row, column = np.argwhere(parts)[0]
        raise MaskError(
            "ids",
            f"{path}: has ids that are not whole numbers, such as "
            f"{mask[row, column]:g} at row {row}, column {column}; export it without "
            "smoothing, as grey PNG",
        )


def load_upright(path: Path, image: Path, colored: bool = False) -> np.ndarray:
    """Reads a mask file at its own depth, upright: (H, W) ids or (H, W, 3) uint8 RGB.

    The mask's EXIF rotation is applied. A mask without one that was drawn on the image
    as stored is rotated like the image. `colored` is that of `load_mask`.
    """
    mask, orientation = read_mask(path, colored)
    return rotate_like(image, mask) if orientation == 1 else mask


def rotate_like(image: Path, mask: np.ndarray) -> np.ndarray:
    """Rotates a mask by the image's EXIF orientation if only then their sizes agree."""
    header = read_header(read_bytes(image))
    stored = header.size
    if header.orientation < 5 or mask.shape[:2] != stored or stored[0] == stored[1]:
        return mask
    return upright(mask, header.orientation)

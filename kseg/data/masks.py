"""Mask files: reading them, and what their ids and colours mean."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edge.core.constants import IGNORE_INDEX, palette
from edge.core.errors import InputError
from edge.core.images import is_truncated, list_images

INVALID = -1  # in the table from a mask file's ids to class ids
ORIENTATION = 0x0112  # EXIF's tag


LOSSY = (".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Classes:
    """What the masks of a folder mean.

    `table` maps the 256 ids of files to class ids, IGNORE_INDEX or INVALID.
    `file_colors` are the RGB codes of colour masks, in order of class; void's too.
    `source` is the file that says so.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    table: np.ndarray
    file_colors: dict[tuple[int, int, int], int] = field(default_factory=dict)
    source: str = "classes.json"


def is_lossy(mask: Path) -> bool:
    """Whether a mask is in a format that changes ids."""
    return mask.suffix.lower() in LOSSY


def lossy_refusal(mask: Path) -> str:
    return f"{mask}: JPEG and WebP blur class ids; save it as PNG"


def by_stem(folder: Path) -> dict[str, Path]:
    """Stem -> image file of a folder. Raises InputError where two have one stem."""
    files, repeated = first_by_stem(folder)
    if repeated:
        raise InputError(stem_refusal(folder, repeated))
    return files


def first_by_stem(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """Stem -> first image file that has it, by name; and the files after the first."""
    files: dict[str, Path] = {}
    repeated = []
    for path in list_images(folder):
        if path.stem in files:
            repeated.append(path)
        files.setdefault(path.stem, path)
    return files, repeated


def stem_refusal(folder: Path, repeated: list[Path]) -> str:
    stem, count = Counter(path.stem for path in repeated).most_common(1)[0]
    return f"{folder}: {count + 1} files are called {stem}; keep one of them"


# --- what the masks mean ---


def read_classes(path: Path) -> Optional[Classes]:
    """`classes.json` -> Classes; None where there is none.

    `{"classes": [{"name", "color"}], "ignore_index": N}`; color and ignore_index may be
    missing. A class whose place is ignore_index is void and gives its colour; those
    behind it move up.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = [str(entry["name"]) for entry in content["classes"]]
        given = [entry.get("color") for entry in content["classes"]]
        ignore_index = int(content.get("ignore_index", IGNORE_INDEX))
        colors = [c and tuple(int(v) for v in c) for c in given]
        if any(c and (len(c) != 3 or not 0 <= min(c) <= max(c) <= 255) for c in colors):
            raise ValueError("a color is three numbers from 0 to 255")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f'{path}: cannot be understood ({error!r}); write {{"classes": [{{"name": '
            '"road", "color": [128, 64, 128]}, ...], "ignore_index": 255}'
        ) from None
    if len({c for c in colors if c}) < len([c for c in colors if c]):
        raise InputError(f"{path}: two classes have the same color; change one")
    file_colors = {c: i for i, c in enumerate(colors) if c}
    kept = [index for index in range(len(names)) if index != ignore_index]
    names, colors = ([items[i] for i in kept] for items in (names, colors))
    if not 2 <= len(names) <= 255 or not 0 <= ignore_index <= 255:
        raise InputError(
            f"{path}: {len(names)} classes with ignore_index {ignore_index}; 2 to 255 "
            "classes (background is one) and an id from 0 to 255 are possible"
        )
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two classes have the same name; rename one")
    table = np.full(256, INVALID)
    table[kept] = np.arange(len(names))
    table[ignore_index] = IGNORE_INDEX
    defaults = palette(len(names))
    colors = tuple(c or default for c, default in zip(colors, defaults, strict=True))
    return Classes(tuple(names), colors, table, file_colors)


def count_classes(ids: list[np.ndarray]) -> Classes:
    """Classes from the ids that occur: {0, 255} is binary, else 255 is void."""
    seen = np.flatnonzero(np.sum(ids, axis=0))
    table = np.full(256, INVALID)
    if set(seen) == {0, 255}:
        table[[0, 255]] = 0, 1
        return Classes(("background", "foreground"), palette(2), table)
    count = max(2, int(seen[seen != IGNORE_INDEX].max(initial=0)) + 1)
    table[:count] = np.arange(count)
    table[255] = IGNORE_INDEX
    names = tuple(f"class {index}" for index in range(count))
    return Classes(names, palette(count), table)


def to_class_ids(mask: np.ndarray, path: Path, classes: Classes) -> np.ndarray:
    """A mask as read -> (H, W) uint8 class ids, void IGNORE_INDEX.

    Raises InputError for ids and colours that the classes do not have.
    """
    if mask.ndim == 3:
        mask = colors_to_ids(mask, path, classes.file_colors, classes.source)
    result = classes.table[mask]
    if result.min(initial=0) == INVALID:
        raise InputError(outside_classes(mask, result == INVALID, path, classes))
    return result.astype(np.uint8)


def outside_classes(
    mask: np.ndarray, wrong: np.ndarray, path: Path, classes: Classes
) -> str:
    """What is said of a mask (H, W) of ids, `wrong` where no class has them."""
    row, column = np.argwhere(wrong)[0]
    return (
        f"{path}: id {mask[row, column]} at row {row}, column {column} is outside the "
        f"{len(classes.names)} classes; correct the mask or {classes.source}"
    )


def colors_to_ids(
    mask: np.ndarray,
    path: Path,
    colors: dict[tuple[int, int, int], int],
    source: str = "classes.json",
) -> np.ndarray:
    """(H, W, 3) RGB -> (H, W) ids by `colors`; three equal channels are ids already."""
    weights = np.array([1 << 16, 1 << 8, 1])
    codes = mask.astype(np.int64) @ weights
    known = np.array(sorted(int(weights @ np.array(c)) for c in colors) or [-1])
    ids = {int(weights @ np.array(c)): i for c, i in colors.items()}
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    wrong = known[place] != codes
    if not wrong.any():
        return np.array([ids[code] for code in known.tolist()])[place]
    if (mask == mask[..., :1]).all():
        return mask[..., 0]
    row, column = np.argwhere(wrong)[0]
    color = mask[row, column].tolist()
    if not colors:
        raise InputError(
            f"{path}: an RGB mask, and no classes.json with colors says what its "
            f"colours (such as {color}) mean; write one beside the splits"
        )
    raise InputError(
        f"{path}: colour {color} at row {row}, column {column} is not in {source}; "
        "add it there or correct the mask"
    )


# --- what the files are like ---


def look_at_image(path: Path) -> tuple[tuple[int, int], bool]:
    """(height, width) of an upright image, and whether it is grey; not its pixels."""
    try:
        cut_off = is_truncated(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if cut_off:
        raise InputError(f"{path}: the file ends early; copy it again or remove it")
    with opened(path) as image:
        height, width = stored_size(image)
        if image.getexif().get(ORIENTATION, 1) >= 5:
            height, width = width, height
        grey = image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16")
        if image.format not in ("JPEG", "PNG"):  # whose ends were looked at
            try:
                image.load()
            except (OSError, SyntaxError) as error:
                raise InputError(f"{path}: cannot be read ({error})") from None
    return (height, width), grey


def stored_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) before EXIF rotation, which some Pillows apply to a TIFF's."""
    if image.format == "TIFF":
        return image.tag_v2[257], image.tag_v2[256]
    return image.height, image.width


def opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: is no picture that can be read ({error})") from None


def load_mask(path: Path, image: Path, colored: bool = False) -> np.ndarray:
    """A mask file, upright: (H, W) ids of 0..255 or (H, W, 3) RGB.

    Its own EXIF rotation is applied. One that was drawn on the image as stored, without
    a rotation of its own, is turned as the image is. `colored` is for a palette PNG
    whose colours count, not its ids.
    """
    with opened(path) as file:
        try:
            upright = ImageOps.exif_transpose(file)
            rgb = has_colors(upright) or colored and upright.mode == "P"
            mask = np.asarray(upright.convert("RGB") if rgb else upright)
        except (OSError, SyntaxError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); save it again"
            ) from None
        own = file.getexif().get(ORIENTATION, 1)
    if own == 1:
        mask = turned_like(image, mask)
    if mask.ndim == 3 and mask.shape[2] == 2:
        mask = mask[..., 0]
    if mask.ndim == 2 and (mask.max(initial=0) > 255 or mask.min(initial=0) < 0):
        raise InputError(f"{path}: id {mask.max()}; ids from 0 to 255 are possible")
    return mask.astype(np.uint8)


def has_colors(image: Image.Image) -> bool:
    return image.mode in ("RGB", "RGBA", "CMYK", "YCbCr")


def turned_like(image: Path, mask: np.ndarray) -> np.ndarray:
    """The mask, turned with the image's EXIF where only that makes them agree."""
    with opened(image) as file:
        orientation = file.getexif().get(ORIENTATION, 1)
        stored = stored_size(file)
    if orientation < 5 or mask.shape[:2] != stored or stored[0] == stored[1]:
        return mask
    turn: dict[int, Any] = {
        5: lambda m: m.swapaxes(0, 1),
        6: lambda m: np.rot90(m, -1),
        7: lambda m: np.rot90(m, 2).swapaxes(0, 1),
        8: np.rot90,
    }
    return np.ascontiguousarray(turn[orientation](mask))

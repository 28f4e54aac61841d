"""Reading the pixels of a mask file: the numbers that are stored, not their brightness.

Libraries show masks as images: they scale ids of few bits to 255, cut 16-bit colours to
8 bits and drop the alpha channel. Here ids stay as they are, or the file is refused.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Optional, Union

import cv2
import numpy as np
from PIL import Image, ImageOps

from edge.core.damage import essential_png
from edge.core.decoding import decode_stored
from edge.core.errors import InputError, shortened
from edge.core.image_header import PNG_START, Header, read_header
from edge.core.images import check_size, checked_header, read_bytes, upright
from kseg.data.bmp_indices import read_indexed

COLORED = ("RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX", "RGBa")
_opening = threading.Lock()


class MaskError(InputError):
    """A mask that can be decoded is wrong. `kind` is a key of `issues.FILE_ISSUES`."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


def open_pillow(path: Path, file: Union[Path, io.BytesIO]) -> Image.Image:
    """Opens an image with Pillow, of any size that `check_size` accepts.

    `path` is the name for messages. Raises InputError if it cannot be opened.
    """
    # Pillow's own limit is smaller, and its message is about attacks.
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(file)
        except Image.UnidentifiedImageError:
            raise InputError(f"{path}: not a readable image; save it as PNG") from None
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{path}: not a readable image ({reason})") from None
        except Exception as error:  # of a decoder that expects no damage
            raise InputError(
                f"{path}: not a readable image ({shortened(error)})"
            ) from None
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    check_size(path, (image.height, image.width))
    return image


def lossy_content_error(path: Path, kind: str) -> str:
    return (
        f"{path}: is {kind} inside, and lossy compression changes class ids; export "
        "the mask again as PNG"
    )


def read_mask(path: Path, colored: bool = False) -> tuple[np.ndarray, int]:
    """Reads a mask file, upright by its own EXIF orientation, which is returned too.

    Returns (H, W) ids at their own depth or (H, W, 3) uint8 RGB. With `colored`, a
    palette gives its colours instead of its ids. Raises InputError for a file that is
    damaged, lossy, has several pages, or whose ids cannot be told.
    """
    data = read_bytes(path)
    header = checked_header(path, data, checksums=True)
    if header.lossy:
        kind = "JPEG" if header.kind == "TIFF" else header.kind
        raise MaskError("lossy mask", lossy_content_error(path, kind))
    if header.kind == "PNM" and header.channels == 3 and header.largest != 255:
        raise MaskError(
            "ids",
            f"{path}: has colours from 0 to {header.largest}; save it with 8 bits a "
            "channel, or as grey ids",
        )
    deep = header.bits > 8 and not header.palette
    if header.kind == "TIFF" and deep or header.kind == "PNG" and deep:
        mask = read_deep(path, data, header)
    else:
        mask = read_shallow(path, data, header, colored)
    if header.kind == "PNG":
        mask = upright(mask, header.orientation)
    return without_alpha(mask, path), header.orientation


def read_palette(path: Path) -> Optional[np.ndarray]:
    """The RGB colours (N, 3) of a mask's palette, by index; None without a palette.

    Raises InputError for a file that cannot be read.
    """
    data = read_bytes(path)
    if not read_header(data).palette:
        return None
    content = essential_png(data) if data.startswith(PNG_START) else data
    with open_pillow(path, io.BytesIO(content)) as file:
        try:
            colors = file.getpalette("RGB") if file.mode == "P" else None
        except Exception as error:  # it decodes the pixels, which may be damaged
            raise unreadable(path, error) from None
    return None if colors is None else np.array(colors, np.uint8).reshape(-1, 3)


def unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: cannot be read ({shortened(error)}); save it again")


def read_deep(path: Path, data: bytes, header: Header) -> np.ndarray:
    """More than 8 bits a channel: (H, W) or (H, W, C), RGB, at their own depth."""
    mask = decode_stored(data, header, cv2.IMREAD_UNCHANGED)
    if mask is None:
        raise InputError(f"{path}: OpenCV cannot read it; save it as 8-bit grey PNG")
    if mask.ndim == 2:
        return mask
    colors, alpha = mask[..., 2::-1], mask[..., 3:]
    if (colors == colors[..., :1]).all():  # grey
        grey = colors[..., :1]
        return np.concatenate([grey, alpha], 2) if alpha.size else grey[..., 0]
    if mask.dtype == np.uint16 and not (colors % 257).any():
        colors = colors // 257
    elif not 0 <= colors.min() <= colors.max() <= 255 or mask.dtype.kind == "f":
        raise MaskError(
            "ids",
            f"{path}: has colours of {8 * mask.itemsize} bits a channel; save it with "
            "8 bits, or as grey ids",
        )
    return np.concatenate([colors, alpha > 0], 2).astype(np.uint8)


def read_shallow(path: Path, data: bytes, header: Header, colored: bool) -> np.ndarray:
    """Up to 8 bits a channel: (H, W) ids or (H, W, C), with alpha if there is one."""
    indexed = read_indexed(data) if header.kind == "BMP" else None
    if indexed and not colored:
        return indexed.indices
    if indexed and indexed.indices.max(initial=0) < len(indexed.colors):
        return indexed.colors[indexed.indices]
    content = essential_png(data) if header.kind == "PNG" else data
    with open_pillow(path, io.BytesIO(content)) as file:
        try:
            image = ImageOps.exif_transpose(file)
            if image.mode in COLORED or colored and image.mode == "P":
                kept = image.mode if image.mode == "RGBA" else "RGB"
                return np.asarray(image.convert(kept))
            return as_stored(np.asarray(image), header)
        except MemoryError:
            raise InputError(f"{path}: too large for the memory") from None
        except Exception as error:  # decoders raise anything for damaged content
            raise unreadable(path, error) from None


def as_stored(ids: np.ndarray, header: Header) -> np.ndarray:
    """Undoes what Pillow does to show ids: it scales few bits, inverts, drops signs.

    >>> as_stored(np.array([[0, 17, 255]], np.uint8), Header("PNG", bits=4)).tolist()
    [[0, 1, 15]]
    """
    if header.palette:
        return ids
    if header.signed and ids.dtype == np.uint8:
        return ids.view(np.int8)
    white = 1 if ids.dtype == bool else 255 if ids.dtype == np.uint8 else 65535
    of_pnm = header.kind == "PNM"
    largest = header.largest if of_pnm else 2**header.bits - 1
    if header.inverted:
        ids = white - ids.astype(np.uint8) if white < 256 else white - ids
    # Pillow does not scale 1 bit, unless it is a PGM whose white is 1.
    if header.kind in ("PNG", "TIFF", "PNM") and (not of_pnm) < largest < white:
        return np.rint(ids * (largest / white)).astype(ids.dtype)
    return ids


def without_alpha(mask: np.ndarray, path: Path) -> np.ndarray:
    """(H, W) ids or (H, W, 3) colours of a mask that may have an alpha channel.

    Raises InputError if the alpha channel decides what is labelled: if it is all that
    differs, or hides ids that are also visible.
    """
    if mask.ndim == 2 or mask.shape[2] == 3:
        return mask
    colors, hidden = mask[..., :-1], mask[..., -1] == 0
    problem: Optional[str] = None
    if (mask[..., -1] != mask[0, 0, -1]).any():
        if (colors == colors[0, 0]).all():
            problem = "all pixels have one colour, and the mask is in the alpha channel"
        elif hidden.any() and colors[hidden].any() and hides_visible(colors, hidden):
            problem = "transparent pixels have the colours of visible ones"
    if problem:
        raise MaskError(
            "ids", f"{path}: {problem}; save the mask without transparency, as grey ids"
        )
    return colors[..., 0] if colors.shape[2] == 1 else colors


def hides_visible(colors: np.ndarray, hidden: np.ndarray) -> bool:
    """Whether a colour that is not 0 is both under transparency and visible."""
    codes = colors.astype(np.int64) @ (1 << 16 * np.arange(colors.shape[2]))
    below = np.unique(codes[hidden])
    return bool(np.isin(below[below != 0], codes[~hidden]).any())

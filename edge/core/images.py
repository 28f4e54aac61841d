"""Reading and writing image files, for training, evaluation and devices alike."""

from __future__ import annotations

import logging
import zlib
from pathlib import Path
from typing import Optional, Sequence

import cv2
import numpy as np

from edge.core.damage import AS_STORED, TRUNCATED, damage, ends_in_grey, lacks_data
from edge.core.decoding import as_brightness, decode_stored
from edge.core.depth import check_values, level_for, to_uint8, with_channels
from edge.core.depth import white_level_of as white_level_of
from edge.core.errors import InputError, cannot_be, shortened
from edge.core.files import atomic_write
from edge.core.image_header import Header, read_header
from edge.core.tiff_header import without_multiplication

log = logging.getLogger(__name__)

# Errors are reported by our own one-line messages instead of OpenCV's log.
if hasattr(cv2, "setLogLevel"):  # OpenCV 4
    cv2.setLogLevel(0)
else:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# Of formats that OpenCV reads.
CAPTURED = "captured.jsonl"  # what --capture writes beside its images
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"),
    *(".avif", ".jp2", ".gif", ".pbm", ".pgm", ".ppm", ".pnm"),
)
MOST_PIXELS = 2**30  # that OpenCV reads


def format_size(size: Sequence[object]) -> str:
    """Format a size as HEIGHTxWIDTH.

    >>> format_size((360, 480)), format_size(("any", "any"))
    ('360x480', 'anyxany')
    """
    return "x".join(map(str, size))


# --- reading ---


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises InputError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise cannot_be("read", path, error) from None


def check_size(path: Path, size: Sequence[int]) -> None:
    """Raises InputError for a (height, width) of more pixels than are read."""
    if size[0] * size[1] > MOST_PIXELS:
        raise InputError(
            f"{path}: {format_size(size)} is {size[0] * size[1] / 1e6:.0f} megapixels, "
            f"and at most {MOST_PIXELS // 10**6} are read; cut it into parts"
        )


def checked_header(path: Path, data: bytes, checksums: bool = False) -> Header:
    """The header of a file that holds one image of a size that can be read.

    Raises InputError for another, and for damage; `checksums` is that of `damage`.
    """
    header = read_header(data)
    check_size(path, header.size)
    problem = header.problem or damage(data, checksums)
    if problem:
        raise InputError(f"{path}: {problem}")
    return header


def read_raw(path: Path, thorough: bool = False) -> np.ndarray:
    """Read an image file at its own depth: (H, W) grey or (H, W, 3) RGB.

    EXIF rotation is applied, alpha is dropped, palettes are converted to RGB. With
    `thorough`, the end of progressive JPEGs is checked, which takes three times as
    long. Raises InputError for a file that is missing, damaged, not an image, or more
    than one.
    """
    data = read_bytes(path)
    header = checked_header(path, data)
    image = decode(data, header)
    if image is None:
        raise InputError(f"{path}: {why_unreadable(data, header)}")
    suspected = header.progressive and thorough
    if header.kind == "JPEG" and (suspected or ends_in_grey(image, header)):
        if lacks_data(data, header):
            raise InputError(f"{path}: {TRUNCATED}")
    image = upright(image, header.orientation) if turned_here(header) else image
    check_values(path, image)
    return image


def decode(data: bytes, header: Header) -> Optional[np.ndarray]:
    """(H, W) grey or (H, W, 3) RGB; None if OpenCV cannot decode it.

    JPEG, PNG, WebP and AVIF are as stored, the others upright.
    """
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    if turned_here(header):
        flags = AS_STORED
    elif header.alpha and header.extra_at:
        data = without_multiplication(data, header.extra_at)
    image = decode_stored(data, header, flags)
    if image is None:
        return None
    image = as_brightness(image, header, data[:2] in (b"P5", b"P6"))
    if image.ndim == 2:
        return image
    if image.dtype in (np.uint8, np.uint16, np.float32):
        code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGB
        return cv2.cvtColor(image, code)
    return np.ascontiguousarray(image[..., 2::-1])


def turned_here(header: Header) -> bool:
    """Whether `upright` turns such files; OpenCV turns those of other formats.

    It also turns by entries that are no orientation, and never turns AVIF.
    """
    return header.kind in ("JPEG", "PNG", "WebP", "AVIF")


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turns an array (H, W, ...) as stored by its EXIF orientation, 1 to 8."""
    turned = orientation >= 5
    rows, columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    if array.dtype == np.uint8:  # OpenCV is ten times as fast for colours
        array = cv2.transpose(array) if turned else array
        if rows or columns:
            array = cv2.flip(array, -1 if rows and columns else int(columns))
        return array
    array = array.swapaxes(0, 1) if turned else array
    array = array[::-1] if rows else array
    return np.ascontiguousarray(array[:, ::-1] if columns else array)


def why_unreadable(data: bytes, header: Header) -> str:
    """Why OpenCV does not decode a file whose structure is whole."""
    damaged = damage(data)
    if damaged:
        return damaged
    if header.kind:
        return (
            f"OpenCV {cv2.__version__} cannot decode this {header.kind} file: it is "
            "damaged or of a kind that is not supported; copy it again or save it as "
            "PNG"
        )
    return "not an image that OpenCV can read; save it as PNG or JPEG"


def read_image(
    path: Path, channels: int = 3, white_level: Optional[float] = None
) -> np.ndarray:
    """Read an image file as (H, W, channels) uint8, RGB or grey, EXIF rotation applied.

    `white_level` is the value that becomes 255 in files that are not of 8 bits, if it
    is known; see `level_for`.
    """
    image = read_raw(path)
    level = 255.0 if image.dtype == np.uint8 else level_for(image, white_level)
    return with_channels(to_uint8(image, level), channels)


# --- folders ---


def is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def is_still(path: Path) -> bool:
    """Whether a file is an image by its suffix, and not a GIF that plays."""
    if path.suffix.lower() != ".gif":
        return is_image(path)
    return read_header(read_bytes(path)).pages == 1


def list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """The image files of a folder in order of name, and the entries that are none.

    Hidden files are in neither, nor is what --capture writes beside its images. Raises
    InputError for a folder that cannot be listed.
    """
    try:
        entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
        images = [p for p in entries if is_image(p) and p.is_file()]
        entries = [p for p in entries if p.name != CAPTURED]
    except OSError as error:
        raise cannot_be("read", folder, error) from None
    read = set(images)
    return images, [path for path in entries if path not in read]


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder in order of name, without hidden files."""
    return list_folder(folder)[0]


def images_of(folder: Path) -> list[Path]:
    """The image files of a folder; logs what else is there."""
    images, others = list_folder(folder)
    if others:
        log.info(left_out(folder, others))
    return images


def left_out(folder: Path, others: Sequence[Path]) -> str:
    """A line that counts the entries of a folder that are not read, by kind."""
    kinds: dict[str, list[str]] = {}
    for path in others:
        kinds.setdefault(kind_of_entry(path), []).append(path.name)
    counted = (f"{len(n)} {kind} ({shown(n)})" for kind, n in kinds.items())
    return f"{folder}: left out: {', '.join(counted)}"


def shown(names: Sequence[str]) -> str:
    return shortened(names[0]) + ", ..." * (len(names) > 1)


def kind_of_entry(path: Path) -> str:
    """What an entry of a folder is that is not read as an image."""
    if path.is_symlink() and not path.exists():
        return "links to missing files"
    if path.is_dir():
        return "folders"
    return f"{path.suffix.lower() or 'other'} files"


# --- writing ---


def write_image(path: Path, image: np.ndarray) -> None:
    """Write RGB or grey uint8 atomically; the suffix of `path` chooses the format."""
    image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    try:
        done, encoded = cv2.imencode(path.suffix, image)
    except cv2.error:
        done = False
    if not done:
        raise InputError(f"{path}: OpenCV cannot write this format; use .png or .jpg")
    write_bytes(path, encoded.tobytes())


def encode_png(image: np.ndarray) -> bytes:
    """Encode (H, W, 3) uint8 RGB as PNG."""
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def write_mask(
    path: Path, ids: np.ndarray, colors: Optional[Sequence[Sequence[int]]] = None
) -> None:
    """Write (H, W) uint8 class ids as a PNG: grey, or with RGB `colors` as its palette.

    The file is written atomically. Raises InputError if it cannot be written.
    """
    done, encoded = cv2.imencode(".png", ids)
    if not done:
        raise InputError(f"{path}: cannot be written as a PNG")
    content = encoded.tobytes()
    if colors is not None:
        content = with_palette(content, colors)
    write_bytes(path, content)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes an encoded image atomically.

    OpenCV does not write it, because on Windows it accepts only names of one code
    page. Raises InputError if it cannot be written.
    """
    try:
        with atomic_write(path, sync=False) as part:
            part.write_bytes(content)
    except OSError as error:
        raise cannot_be("written", path, error) from None


def with_palette(png: bytes, colors: Sequence[Sequence[int]]) -> bytes:
    """Turn an 8-bit grey PNG into one with a palette; the pixel data stays the same.

    The header's colour type becomes 3 and a PLTE chunk follows it (PNG specification,
    11.2): 8 bytes of signature, then the header's length, name, 13 bytes and checksum.
    """
    header = png[12:25] + b"\x03" + png[26:29]
    palette = b"PLTE" + bytes(value for color in colors[:256] for value in color)
    parts = [png[:12], header, checksum(header)]
    parts += [(len(palette) - 4).to_bytes(4, "big"), palette, checksum(palette)]
    return b"".join(parts) + png[33:]


def checksum(chunk: bytes) -> bytes:
    """The CRC-32 of a PNG chunk's name and content."""
    return zlib.crc32(chunk).to_bytes(4, "big")

"""Reading and writing image files, for training, evaluation and devices alike."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Optional, Sequence

import cv2
import numpy as np

from edge.core.errors import InputError, cannot_be
from edge.core.files import atomic_write

# Errors are reported by our own one-line messages instead of OpenCV's log.
if hasattr(cv2, "setLogLevel"):  # OpenCV 4
    cv2.setLogLevel(0)
else:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

# Cameras of 10, 12 or 14 bits store 16-bit files: white is the sensor's largest value,
# not 65535.
DEPTHS = (8, 10, 12, 14, 16)


def format_size(size: Sequence[object]) -> str:
    """Format a size as HEIGHTxWIDTH.

    >>> format_size((360, 480)), format_size(("any", "any"))
    ('360x480', 'anyxany')
    """
    return "x".join(map(str, size))


def is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder in order of name, without hidden files."""
    return sorted(p for p in folder.iterdir() if is_image(p) and p.is_file())


def has_end(data: bytes) -> bool:
    """Whether the segments of a JPEG end with an end-of-image marker."""
    at = 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return False
        marker = data[at + 1]
        if marker == 0xD9:
            return True
        at += 2 if marker != 0xFF else 1
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            continue  # coded data, fill bytes and markers without a segment
        at += int.from_bytes(data[at : at + 2], "big")


def is_truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG file is truncated.

    OpenCV before version 5 fills the missing rows of a JPEG with grey without an error,
    so the file structure is checked (ITU T.81, annex B; PNG specification, IEND).
    """
    if data[:2] == b"\xff\xd8":
        return not has_end(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return b"IEND\xaeB`\x82" not in data
    return False


def read_raw(path: Path) -> np.ndarray:
    """Read an image file at its own depth: (H, W) grey or (H, W, 3) RGB.

    EXIF rotation is applied, alpha is dropped, palettes are converted to RGB.
    Raises InputError for a file that is missing, truncated or not an image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise cannot_be("read", path, error) from None
    if is_truncated(data):
        raise InputError(f"{path}: the file is truncated; copy it again or remove it")
    try:
        image = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
        )
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f"{path}: not an image that OpenCV can read")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.ndim == 3 else image


def white_level_of(image: np.ndarray) -> float:
    """The white level of an image: 2**bits - 1 of the smallest depth that holds it.

    8-bit images have 255; floats are assumed to be in [0, 1].

    >>> white_level_of(np.array([[4000]], np.uint16))
    4095.0
    """
    if image.dtype == np.uint8:
        return 255.0
    if image.dtype == np.uint16:
        return float(next(2**b - 1 for b in DEPTHS if image.max() < 2**b))
    return 1.0


def to_uint8(image: np.ndarray, white_level: float) -> np.ndarray:
    """Scale any depth to uint8, `white_level` to 255; uint8 is returned unchanged."""
    if image.dtype == np.uint8:
        return image
    scaled = image.astype(np.float32) * (255.0 / white_level)
    return np.clip(np.nan_to_num(scaled) + 0.5, 0, 255).astype(np.uint8)


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8 -> (H, W, channels); `channels` is 1 or 3."""
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] == channels:
        return image
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return np.repeat(image, 3, axis=2)


def read_image(
    path: Path, channels: int = 3, white_level: Optional[float] = None
) -> np.ndarray:
    """Read an image file as (H, W, channels) uint8, RGB or grey, EXIF rotation applied.

    `white_level` is the value of a 16-bit file that becomes 255; by default 65535.
    """
    image = read_raw(path)
    if image.dtype == np.uint16 and not (white_level and white_level > 255):
        white_level = 65535.0
    elif image.dtype != np.uint16:
        white_level = 1.0
    return with_channels(to_uint8(image, white_level), channels)


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

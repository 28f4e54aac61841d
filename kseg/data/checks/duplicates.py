"""Pictures that are there twice, and pictures that are nearly the same.

Equal pixels have equal digests. Copies that were saved anew, resized or mirrored are
found in two steps. A perceptual hash of 256 bits, the signs of the 16x16 lowest
frequencies (ImageHash's `phash`), says which pictures are alike at all; thumbnails of
16x16 grey pixels say whether they are one. Measured on CamVid:

                                               bits that differ  largest grey difference
    saved as JPEG of quality 40 to 85          0 to 4             1 to 4
    half the size and quality 70               0 to 6             2 to 3
    a frame of the video 1/15 second later     6 to 44            10 and more
    a frame of the video a second later        8 and more         20 and more
    a frame of another drive                   90 and more

Scenes of `shapes` are 78 bits apart and more; as JPEG 0 to 32, 1 to 6 levels of grey.
So up to SIMILAR bits pictures are alike, and up to SAME levels of grey they are one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from kseg.core.progress import bar

SIMILAR = 32  # bits
SAME = 7  # levels of grey, anywhere in the thumbnail
COPIED = 0  # as a distance: one and the same picture
SIDE = 16  # the hash has SIDE * SIDE bits
FLAT = 2.0  # grey levels of standard deviation; below, the hash is of noise alone
WORDS = SIDE * SIDE // 64
BLOCK = 128  # pictures compared with all others at a time
FAR = 999


def digest(array: np.ndarray) -> bytes:
    """16 bytes that differ where shape, type or any value of two arrays do."""
    result = hashlib.blake2b(f"{array.shape}{array.dtype}".encode(), digest_size=16)
    result.update(np.ascontiguousarray(array))
    return result.digest()


def perceptual_hashes(image: np.ndarray) -> np.ndarray:
    """(H, W, C) uint8 -> (2, 4) uint64: the hash of the picture, and of it mirrored.

    Pictures of one colour alone have none: zeros.
    """
    from imagehash import phash
    from PIL import Image

    grey = grey_of(image)
    if grey.std() < FLAT:
        return np.zeros((2, WORDS), np.uint64)
    views = grey, np.ascontiguousarray(grey[:, ::-1])
    bits = [phash(Image.fromarray(view), SIDE).hash.ravel() for view in views]
    return np.packbits(bits, axis=1).view(np.uint64)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """(H, W, C) uint8 -> (16, 16) uint8 grey."""
    return cv2.resize(grey_of(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def grey_of(image: np.ndarray) -> np.ndarray:
    if image.shape[2] == 3:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(image[..., 0])


@dataclass(frozen=True)
class Nearest:
    """Of each of n pictures: the most similar other one of a group, and how far it is.

    `place` (n,) indexes the pictures. `distance` (n,) counts bits; COPIED where the two
    are one, FAR where there is no other.
    """

    place: np.ndarray
    distance: np.ndarray


def nearest(
    hashes: np.ndarray, thumbnails: np.ndarray, groups: np.ndarray
) -> dict[int, Nearest]:
    """Hashes (n, 2, 4), thumbnails (n, 16, 16), groups (n,) int -> nearest by group.

    Mirrored counts as the same. Every picture is compared with every other, BLOCK by
    BLOCK: 10,000 pictures take seconds.
    """
    count = len(hashes)
    found = {
        group: Nearest(np.zeros(count, int), np.full(count, FAR, int))
        for group in np.unique(groups).tolist()
    }
    members = {group: np.flatnonzero(groups == group) for group in found}
    has_hash = hashes[:, 0].any(axis=1)
    for start in bar(range(0, count, BLOCK), "comparing"):
        rows = np.arange(start, min(start + BLOCK, count))
        bits = distances(hashes[rows], hashes)
        bits[~has_hash[rows]] = FAR
        bits[:, ~has_hash] = FAR
        bits[np.arange(len(rows)), rows] = FAR
        for row, line in zip(rows, bits, strict=True):
            mark_copies(line, thumbnails[row], thumbnails)
        for group, result in found.items():
            best = members[group][bits[:, members[group]].argmin(axis=1)]
            result.place[rows] = best
            result.distance[rows] = bits[np.arange(len(rows)), best]
    return found


def mark_copies(bits: np.ndarray, own: np.ndarray, others: np.ndarray) -> None:
    """Sets `bits` (n,) to COPIED where others (n, 16, 16) are `own`, maybe mirrored.

    Only among those alike; where just the hash is equal it becomes one bit.
    """
    alike = np.flatnonzero(bits <= SIMILAR)
    if alike.size:
        views = np.stack([own, own[:, ::-1]]).astype(np.int16)
        apart = np.abs(others[alike, None] - views).max(axis=(2, 3)).min(axis=1)
        bits[alike] = np.where(apart <= SAME, COPIED, np.maximum(bits[alike], 1))


def distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(m, 2, 4) and (n, 2, 4) uint64 -> (m, n) differing bits, the less of upright and
    mirrored.

    >>> one, two = np.zeros((1, 2, 4), np.uint64), np.full((1, 2, 4), 3, np.uint64)
    >>> distances(one, two).tolist()
    [[8]]
    """
    upright, mirrored = (
        sum(
            np.bitwise_count(
                some[:, None, 0, word] ^ others[None, :, view, word]
            ).astype(np.int16)
            for word in range(WORDS)
        )
        for view in (0, 1)
    )
    return np.minimum(upright, mirrored)

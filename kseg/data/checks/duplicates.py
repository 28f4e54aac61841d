"""Duplicate and near-duplicate images.

Images with equal pixels have equal digests. Copies that were compressed again, resized
or mirrored are found in two steps. A perceptual hash of 256 bits, the signs of the
16x16 lowest frequencies (ImageHash's `phash`), selects similar images; thumbnails of
16x16 grey pixels then tell copies from images that are only similar. Measured on
CamVid:

                                               bits that differ  largest grey difference
    saved as JPEG of quality 40 to 85          0 to 4             1 to 4
    half the size and quality 70               0 to 6             2 to 3
    a frame of the video 1/15 second later     6 to 44            10 and more
    a frame of the video a second later        8 and more         20 and more
    a frame of another drive                   90 and more

Scenes of `shapes` differ from each other by 78 bits or more, and from their own JPEG by
0 to 32 bits and 1 to 6 grey levels. So images that differ by at most SIMILAR bits are
similar, and those that also differ by at most SAME grey levels are copies.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from edge.core.likeness import FLAT, SAME, SIDE, SIMILAR, thumbnail_of
from kseg.core.progress import bar

COPIED = 0  # the distance of copies
WORDS = SIDE * SIDE // 64
BLOCK = 128  # images compared with all others at a time
FAR = 999  # the distance where there is no other image


def digest(array: np.ndarray) -> bytes:
    """16 bytes that differ if the shape, dtype or any value of two arrays differs."""
    result = hashlib.blake2b(f"{array.shape}{array.dtype}".encode(), digest_size=16)
    result.update(np.ascontiguousarray(array))
    return result.digest()


def perceptual_hashes(image: np.ndarray) -> np.ndarray:
    """(H, W, C) uint8 -> (2, 4) uint64: hashes of the image and of its mirror image.

    Zeros for images of a single colour, which have no hash.
    """
    from imagehash import phash
    from PIL import Image

    grey = to_grey(image)
    if grey.std() < FLAT:
        return np.zeros((2, WORDS), np.uint64)
    views = grey, np.ascontiguousarray(grey[:, ::-1])
    bits = [phash(Image.fromarray(view), SIDE).hash.ravel() for view in views]
    return np.packbits(bits, axis=1).view(np.uint64)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """(H, W, C) uint8 -> (16, 16) uint8 grey."""
    return thumbnail_of(to_grey(image))


def to_grey(image: np.ndarray) -> np.ndarray:
    if image.shape[2] == 3:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(image[..., 0])


@dataclass(frozen=True)
class Nearest:
    """For each of n images, the most similar other image of one group.

    `index` (n,) is the index of that image. `distance` (n,) is the number of bits that
    differ; COPIED for copies, FAR if the group has no other image.
    """

    index: np.ndarray
    distance: np.ndarray


def nearest(
    hashes: np.ndarray, thumbnails: np.ndarray, groups: np.ndarray
) -> dict[int, Nearest]:
    """Hashes (n, 2, 4), thumbnails (n, 16, 16), groups (n,) int -> nearest by group.

    Mirror images count as the same. Every image is compared with every other, BLOCK
    images at a time: 10,000 images take seconds.
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
            result.index[rows] = best
            result.distance[rows] = bits[np.arange(len(rows)), best]
    return found


def mark_copies(bits: np.ndarray, own: np.ndarray, others: np.ndarray) -> None:
    """Sets `bits` (n,) to COPIED where others (n, 16, 16) equal `own` or its mirror.

    Only similar images are compared. Where the hashes are equal but the thumbnails are
    not, the distance becomes 1.
    """
    similar = np.flatnonzero(bits <= SIMILAR)
    if similar.size:
        views = np.stack([own, own[:, ::-1]]).astype(np.int16)
        difference = np.abs(others[similar, None] - views).max(axis=(2, 3)).min(axis=1)
        bits[similar] = np.where(
            difference <= SAME, COPIED, np.maximum(bits[similar], 1)
        )


def distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(m, 2, 4) and (n, 2, 4) uint64 -> (m, n) number of differing bits.

    Each is the smaller one of the upright and the mirrored image.

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

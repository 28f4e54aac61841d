"""Whether two images look alike: a perceptual hash and a thumbnail of each.

Two images look alike if at most SIMILAR of the 256 bits of their hashes differ, and no
grey level of their thumbnails of 16x16 pixels by more than SAME. By the same limits
kseg/data/checks/duplicates.py finds copies. A hash alone would be too coarse for
a fixed camera: an object that enters a scene changes few of its lowest frequencies.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

SIMILAR = 32  # bits
SAME = 7  # grey levels, the largest difference between two thumbnails
SIDE = 16  # of the thumbnail; the hash has SIDE * SIDE bits
DETAIL = 4  # times SIDE: the side of the image whose frequencies are computed
FLAT = 2.0  # standard deviation in grey levels; below it, the hash is noise
BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1)


class Appearance(NamedTuple):
    """What an image looks like.

    `hash` (32,) uint8 are 256 bits: which of the 16x16 lowest frequencies are over
    their median. An image of a single colour has zeros. `thumbnail` (16, 16) uint8 are
    grey levels.
    """

    hash: np.ndarray
    thumbnail: np.ndarray


def appearance(image: np.ndarray) -> Appearance:
    """(H, W, 3) uint8 BGR -> what it looks like."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    thumbnail = thumbnail_of(grey)
    side = SIDE * DETAIL
    small = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    if small.std() < FLAT:
        return Appearance(np.zeros(SIDE * SIDE // 8, np.uint8), thumbnail)
    lowest = cv2.dct(small.astype(np.float32))[:SIDE, :SIDE]
    return Appearance(np.packbits(lowest > np.median(lowest)), thumbnail)


def thumbnail_of(grey: np.ndarray) -> np.ndarray:
    """(H, W) uint8 grey -> (16, 16) uint8."""
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


class Seen:
    """The appearances of images; tells whether another image looks like one of them.

    >>> seen, grey = Seen(), np.full((32, 32, 3), 90, np.uint8)
    >>> seen.add(appearance(grey))
    >>> appearance(grey + 5) in seen, appearance(grey + 9) in seen
    (True, False)
    """

    def __init__(self) -> None:
        self._hashes: list[np.ndarray] = []
        self._thumbnails: list[np.ndarray] = []

    def add(self, one: Appearance) -> None:
        self._hashes.append(one.hash)
        self._thumbnails.append(one.thumbnail.astype(np.int16))

    def __contains__(self, one: Appearance) -> bool:
        if not self._hashes:
            return False
        bits = BITS[np.stack(self._hashes) ^ one.hash].sum(1)
        similar = np.flatnonzero(bits <= SIMILAR)
        own = one.thumbnail.astype(np.int16)
        return any(
            np.abs(self._thumbnails[index] - own).max() <= SAME for index in similar
        )

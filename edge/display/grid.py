"""The views of several sources as one image."""

from __future__ import annotations

import math
from typing import Dict, Sequence

import numpy as np

from edge.video.recorder import with_bars

LARGEST = (960, 1280)  # (height, width) of the image


class Grid:
    """Puts the newest view of each source into a cell of its own.

    The cells are as large as fits into `largest`, at most as large as the largest view
    so far, and have its shape; other views have black bars. A cell is black before its
    first view.
    """

    def __init__(self, names: Sequence[str], largest: tuple[int, int] = LARGEST):
        self.columns = math.ceil(math.sqrt(len(names)))
        self.rows = math.ceil(len(names) / self.columns)
        self._places: Dict[str, int] = {name: n for n, name in enumerate(names)}
        self._largest = largest
        self._views: Dict[str, np.ndarray] = {}  # the newest ones
        self._image, self._cell = np.zeros((0, 0, 3), np.uint8), (0, 0)
        self._pixels = 0  # of the largest view

    def put(self, name: str, view: np.ndarray) -> np.ndarray:
        """The image (H, W, 3) uint8 after a new view (h, w, 3) of a source.

        It is the same array each time, with other content, unless the cells grow.
        """
        self._views[name] = view
        height, width = view.shape[:2]
        if height * width > self._pixels:
            self._pixels = height * width
            self._image = self._blank((height, width))
            for each, old in self._views.items():
                self._draw(each, old)
        else:
            self._draw(name, view)
        return self._image

    def _draw(self, name: str, view: np.ndarray) -> None:
        height, width = self._cell
        row, column = divmod(self._places[name], self.columns)
        top, left = row * height, column * width
        part = self._image[top : top + height, left : left + width]
        part[:] = with_bars(view, (width, height))

    def _blank(self, size: Sequence[int]) -> np.ndarray:
        """A black image of cells for views like one of `size`, (height, width)."""
        height, width = self._largest
        scale = min(height / self.rows / size[0], width / self.columns / size[1], 1.0)
        self._cell = (round(size[0] * scale), round(size[1] * scale))
        whole = self._cell[0] * self.rows, self._cell[1] * self.columns
        return np.zeros((*whole, 3), np.uint8)

"""Drawing the outlines and names of zones."""

from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np

from edge.display.panels import darken, text_scale
from edge.display.text import text_size, write
from edge.zones.zone import Zone

MARGIN = 3  # pixels around a name


def put_zones(image: np.ndarray, zones: Sequence[Zone]) -> None:
    """Draw zones into `image` (H, W, 3): white lines on black, and their names."""
    height, width = image.shape[:2]
    for zone in zones:
        points = np.array(zone.points) * (width, height)
        corners = np.clip(np.rint(points), 0, (width - 1, height - 1)).astype(np.int32)
        cv2.polylines(image, [corners], True, (0, 0, 0), 3)
        cv2.polylines(image, [corners], True, (255, 255, 255), 1)
    for zone in zones:
        put_name(image, zone)


def put_name(image: np.ndarray, zone: Zone) -> None:
    """Draw the name of a zone at its highest point, inside of the image."""
    scale = text_scale(image)
    (wide, high), low = text_size(zone.name, scale)
    x, y = min(zone.points, key=lambda point: (point[1], point[0]))
    height, width = image.shape[:2]
    box_width, box_height = wide + 2 * MARGIN, high + low + 2 * MARGIN
    left = max(0, min(round(x * width), width - box_width))
    top = max(0, min(round(y * height), height - box_height))
    darken(image[top : top + box_height, left : left + box_width])
    write(image, zone.name, (left + MARGIN, top + MARGIN + high), scale)

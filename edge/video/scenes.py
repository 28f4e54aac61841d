"""Procedural labelled scenes, for training and as a moving video source.

Masks use integer arithmetic on a random stream that NumPy keeps stable (`RandomState`,
NEP 19), so scene i of seed s has the same mask on every machine. Images use floats and
may differ in the last bit.
"""

from __future__ import annotations

import cv2
import numpy as np

CLASSES = ("background", "disc", "square", "triangle", "ring", "cross")
COLORS = (
    (0, 0, 0),
    (230, 80, 60),
    (70, 160, 230),
    (80, 190, 90),
    (240, 180, 50),
    (170, 90, 200),
)
SIZE = (128, 128)
UNIT = 16  # lengths are in sixteenths of a pixel
NOISE_TILE = 128  # pixels per side: a larger random array would be slow
TURN = 64  # angles are in sixty-fourths of a turn
ONE = 1024  # sines are in 1024ths
COSINE = np.round(ONE * np.cos(2 * np.pi * np.arange(TURN) / TURN)).astype(np.int64)
SINE = np.roll(COSINE, TURN // 4)


def disc(u, v, r):
    return u * u + v * v <= r * r


def square(u, v, r):
    return (abs(u) <= 7 * r // 8) & (abs(v) <= 7 * r // 8)


def triangle(u, v, r):
    # Equilateral, corners at distance r: 1774 / 1024 is the square root of 3.
    return (v <= r // 2) & (1774 * abs(u) - ONE * (v + r) <= 0)


def ring(u, v, r):
    square_of_distance = u * u + v * v
    return (square_of_distance <= r * r) & (square_of_distance >= (r // 2) ** 2)


def cross(u, v, r):
    arm = r // 3
    return ((abs(u) <= arm) & (abs(v) <= r)) | ((abs(v) <= arm) & (abs(u) <= r))


INSIDE = (disc, square, triangle, ring, cross)


def bounce(position: int, length: int) -> int:
    """A point moving at constant speed between two walls, 0 and `length`."""
    position %= 2 * length
    return min(position, 2 * length - position)


def objects(
    seed: int, index: int, size: tuple[int, int], time: int, count: int = 0
) -> list[tuple]:
    """(class id, x, y, radius, angle) of each object, the front one last.

    There are `count` of them, or for 0 a random number from 4 to 10.
    """
    height, width = (UNIT * side for side in size)
    smallest, largest = 3 * UNIT, min(height, width) // 4
    draw = np.random.RandomState([seed, index]).randint
    placed = []
    number = draw(4, 11)
    for _ in range(count or number):
        label = int(draw(1, len(CLASSES)))
        share = int(draw(0, 1024))
        radius = smallest + (largest - smallest) * share * share // 1024**2
        x, y = int(draw(0, width)), int(draw(0, height))
        speed_x, speed_y, spin, angle = (int(draw(*r)) for r in MOTION)
        placed.append(
            (
                label,
                bounce(x + speed_x * width * time // 4096, width),
                bounce(y + speed_y * height * time // 4096, height),
                radius,
                (angle + spin * time // 32) % TURN,
            )
        )
    return placed


MOTION = ((-24, 25), (-24, 25), (-16, 17), (0, TURN))


def smooth_field(random: np.random.RandomState, size: tuple[int, int], cells: int):
    """Smooth noise of about `cells` cells per side: (H, W) float32 around 0."""
    grid = random.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    return cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC)


def waves(x: np.ndarray, y: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """A striped or chequered texture in [-1, 1] over coordinates in pixels."""
    period = random.uniform(3, 14)
    slope = random.uniform(-1, 1)
    stripes = np.sin((x + slope * y) * (2 * np.pi / period))
    return (
        stripes * np.sin(y * (2 * np.pi / period)) if random.rand() < 0.4 else stripes
    )


def background(random: np.random.RandomState, size: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    base = random.uniform(40, 200) + random.uniform(-25, 25, 3)
    tint = random.uniform(-22, 22, 3)
    rough = smooth_field(random, size, int(random.randint(3, 24)))
    pattern = 0.5 * waves(x, y, random) * random.randint(0, 2)
    image = tint * (rough + pattern)[..., None]
    image += base
    return image


def paint_of(label: int, random: np.random.RandomState) -> np.ndarray:
    """An object's colour: that of its class, with random variation."""
    base = np.asarray(COLORS[label], np.float64)
    return 0.8 * base + 0.2 * random.uniform(0, 255, 3)


def window(centre: int, radius: int, length: int) -> tuple[slice, np.ndarray]:
    """The pixels of one side that an object may cover, and their centres in UNIT."""
    reach = radius * 5 // 4 + UNIT  # a square's corners are at 1.24 radii
    first = max(0, (centre - reach) // UNIT)
    last = min(length, (centre + reach) // UNIT + 1)
    return slice(first, last), (2 * np.arange(first, last) + 1) * (UNIT // 2)


def scene(
    seed: int, index: int, size: tuple[int, int] = SIZE, time: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Scene `index` of `seed`: image (H, W, 3) uint8 RGB and mask (H, W) uint8 of 0..5.

    `time` is a frame number; at 0 the scene equals that of the training set.
    """
    image, instances, class_ids = scene_objects(seed, index, size, time)
    return image, np.append(np.uint8(0), class_ids + 1).astype(np.uint8)[instances]


def scene_objects(
    seed: int,
    index: int,
    size: tuple[int, int] = SIZE,
    time: int = 0,
    count: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A scene with its objects: image, instances (H, W) uint16, class ids (N,) int32.

    `instances` is 0 for the background and k + 1 where object k is visible. The number
    of an object stays the same over `time`, even while none of it is visible. Class ids
    count from 0 without the background. `count` is the number of objects, or 0 for a
    random one from 4 to 10.
    """
    look = np.random.RandomState([seed, index, 1])
    image = background(look, size)
    instances = np.zeros(size, np.uint16)
    placed = objects(seed, index, size, time, count)
    for number, (label, x, y, radius, angle) in enumerate(placed, start=1):
        rows, row_units = window(y, radius, size[0])
        columns, column_units = window(x, radius, size[1])
        right, down = column_units[None, :] - x, row_units[:, None] - y
        cosine, sine = COSINE[angle], SINE[angle]
        u = (right * cosine + down * sine) // ONE
        v = (down * cosine - right * sine) // ONE
        inside = INSIDE[label - 1](u, v, radius)
        paint = paint_of(label, look)
        texture = waves(u / UNIT, v / UNIT, look) * look.uniform(0, 30)
        image[rows, columns][inside] = (paint + texture[..., None])[inside]
        instances[rows, columns][inside] = number
    image = finish(image, look, np.random.RandomState([seed, index, 2, time]))
    return image, instances, np.int32([label - 1 for label, *_ in placed])


def add_noise(
    image: np.ndarray, strength: float, random: np.random.RandomState
) -> None:
    """Add normal noise to `image` in place; it repeats after NOISE_TILE pixels."""
    height, width = image.shape[:2]
    tile = random.standard_normal((min(height, NOISE_TILE), min(width, NOISE_TILE), 3))
    tile *= strength
    for top in range(0, height, NOISE_TILE):
        for left in range(0, width, NOISE_TILE):
            part = image[top : top + NOISE_TILE, left : left + NOISE_TILE]
            part += tile[: part.shape[0], : part.shape[1]]


def finish(image, look, grain) -> np.ndarray:
    """Add uneven light, blur and noise: (H, W, 3) float -> uint8.

    Overwrites `image`, to save memory.
    """
    light = 1 + look.uniform(0, 0.25) * smooth_field(look, image.shape[:2], 2)
    image *= light[..., None]
    image = cv2.GaussianBlur(image, (0, 0), look.uniform(0.3, 1.0), dst=image)
    add_noise(image, look.uniform(2, 10), grain)
    return np.clip(image, 0, 255, out=image).astype(np.uint8)

"""How pixels become numbers of a float input: the values of `--normalize`."""

from __future__ import annotations

import math
import re
from typing import Dict, List, Tuple

from edge.core.errors import InputError
from edge.model_file.flatbuffer import Normalization

# Of pixels from 0 to 255, in the order of the network's channels.
NAMED: Dict[str, Normalization] = {
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "-1..1": ((127.5,), (127.5,)),
    "0..1": ((0.0,), (255.0,)),
    "0..255": ((0.0,), (1.0,)),
}
SPELLINGS = {
    **{"-1,1": "-1..1", "[-1,1]": "-1..1", "1/255": "0..1"},
    **{"none": "0..255", "raw": "0..255"},
}
NUMBER = r"(-?(?:\d+(?:\.\d+)?|\.\d+))"
SMALLEST = 0.02  # deviation of pixels from 0 to 1: images of any kind have more
RANGE = re.compile(rf"{NUMBER}\.\.{NUMBER}")
SEPARATORS = re.compile(r"[\s,;:/|()\[\]]+")
EXAMPLES = (
    "imagenet, 0..1, -1..1, 0..255, MEAN,STD such as 127.5,127.5, or a mean and a "
    "standard deviation for each channel such as 0.485,0.456,0.406,0.229,0.224,0.225"
)


def normalization_of(text: str) -> Normalization:
    """Means and deviations, in pixels from 0 to 255, that `--normalize` gives.

    A network gets (pixel - mean) / deviation. Means of at most 1 with deviations of at
    most 1 are those of pixels from 0 to 1. Raises InputError for other texts.

    >>> normalization_of("127.5,127.5"), normalization_of("0..1")
    (((127.5,), (127.5,)), ((0.0,), (255.0,)))
    >>> normalization_of("0.5 0.5 0.5 0.5 0.5 0.5")[1]
    (127.5, 127.5, 127.5)
    """
    key = text.strip().lower()
    key = SPELLINGS.get(key, key)
    if key in NAMED:
        return NAMED[key]
    match = RANGE.fullmatch(key)
    try:
        return of_range(*match.groups()) if match else of_numbers(key)
    except ValueError as error:
        raise InputError(f"--normalize {text}: {error}; write {EXAMPLES}") from None


def of_range(low: str, high: str) -> Normalization:
    """The numbers that black and white become. Raises ValueError unless low < high."""
    bottom, top = float(low), float(high)
    if not -1e6 <= bottom < top <= 1e6:
        raise ValueError("is not a range from a number to a larger one")
    deviation = 255 / (top - bottom)
    return (-bottom * deviation,), (deviation,)


def of_numbers(text: str) -> Normalization:
    """Means, then as many deviations. Raises ValueError for other texts."""
    try:
        numbers = [float(part) for part in SEPARATORS.split(text) if part]
    except ValueError:
        raise ValueError("is neither a known name nor numbers") from None
    half = len(numbers) // 2
    if len(numbers) not in (2, 6):
        raise ValueError(f"has {len(numbers)} numbers, and 2 or 6 are needed")
    means, deviations = numbers[:half], numbers[half:]
    if not all(map(math.isfinite, numbers)) or min(deviations) <= 0:
        raise ValueError("has a standard deviation that is not over 0, or no number")
    return in_pixels(means, deviations)


def in_pixels(means: List[float], deviations: List[float]) -> Normalization:
    """Means and deviations of pixels from 0 to 255."""
    small = max(map(abs, means)) <= 1 and max(deviations) <= 1
    if small and not any(means) and min(deviations) == 1:
        raise ValueError("may mean pixels from 0 to 1 or from 0 to 255")
    if max(map(abs, means)) > 1 > max(deviations):
        raise ValueError(
            "has means of pixels from 0 to 255 with standard deviations under 1; of a "
            "scale such as 0.017 give 1 / 0.017"
        )
    if small and max(deviations) < SMALLEST:
        raise ValueError(
            f"has standard deviations under {SMALLEST}, as scales are; of a scale such "
            "as 0.0039 give 1 / 0.0039"
        )
    factor = 255 if small else 1
    scaled = ([factor * number for number in part] for part in (means, deviations))
    mean, deviation = (tuple(part) for part in scaled)
    return mean, deviation


def described(values: Normalization) -> str:
    """A normalization for a message: its name, its range, or its numbers.

    >>> described(((127.5,), (127.5,))), described(((0.0,), (127.5,)))
    ('-1..1', '0..2')
    """
    for name, known in NAMED.items():
        if same(known, values):
            return name
    means, deviations = values
    if len(means) == len(deviations) == 1:
        low, high = ((pixel - means[0]) / deviations[0] for pixel in (0, 255))
        return f"{low:.4g}..{high:.4g}"
    return ",".join(f"{number:g}" for number in (*means, *deviations))


def same(one: Normalization, other: Normalization) -> bool:
    """Whether two normalizations are equal but for rounding."""
    return all(
        len(a) == len(b) and all(math.isclose(x, y) for x, y in zip(a, b))
        for a, b in zip(one, other)
    )


def channels_of(values: Normalization) -> Tuple[int, int]:
    """For how many channels means and deviations are given; 1 is for all."""
    return len(values[0]), len(values[1])

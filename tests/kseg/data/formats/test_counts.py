from pathlib import Path

import numpy as np

from kseg.core.counts import ObjectCounts
from kseg.data.formats.counts import (
    MaskFacts,
    facts_of,
    mask_counts,
    mask_doubts,
    mask_lines,
    object_doubts,
    object_lines,
)


def facts(name: str, **pixels: int) -> MaskFacts:
    """A mask with so many pixels of the ids 0 and 1 (a, b) and 255 (void)."""
    ids = {"a": 0, "b": 1, "void": 255}
    parts = [np.full(number, ids[key]) for key, number in pixels.items()]
    mask = np.concatenate(parts).astype(np.uint8)[None]
    return facts_of(Path(name), mask)


def test_images_and_pixels_of_each_class():
    given = facts("x.png", a=1, b=2), facts("y.png", a=5), facts("z.png", void=8)
    counts = mask_counts(("sky", "road", "car"), given)
    assert counts.images == {"sky": 2, "road": 1, "car": 0}
    assert counts.pixels == {"sky": 6, "road": 2, "car": 0}
    assert (counts.void, counts.only_void) == (8, ("z.png",))
    assert list(mask_lines(counts)) == [
        "sky: images 2, pixels 6 (75.0%)",
        "road: images 1, pixels 2 (25.0%)",
        "car: images 0, pixels 0 (0.0%)",
        "void, which is not trained on: pixels 8",
    ]
    assert list(mask_doubts(counts)) == [
        "classes that occur in no image: car",
        "masks without any labelled pixel: 1, the first of z.png",
    ]


def test_masks_of_one_class_alone_look_wrong():
    counts = mask_counts(("background", "road"), [facts("x.png", a=9)])
    assert list(mask_doubts(counts))[-1].startswith(
        "all labelled pixels are background, so nothing can be learnt"
    )


def test_images_and_objects_of_each_class():
    counts = ObjectCounts({"cat": 3, "dog": 0}, images={"cat": 2, "dog": 0})
    assert list(object_lines(counts)) == [
        "cat: images 2, objects 3",
        "dog: images 0, objects 0",
    ]
    assert list(object_doubts(counts)) == ["classes that occur in no image: dog"]


def test_no_object_at_all_looks_wrong():
    counts = ObjectCounts({"cat": 0})
    assert "no image has an object" in list(object_doubts(counts))[-1]

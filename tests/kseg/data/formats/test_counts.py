from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import InputError
from kseg.core.counts import ObjectCounts
from kseg.data.formats.counts import (
    MaskFacts,
    check_masks,
    check_objects,
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
    assert list(mask_doubts(counts))[-1] == (
        "all labelled pixels are background; check the labels"
    )


def test_a_split_of_one_class_alone_looks_wrong():
    """Its labels may be missing: YOLO's images without a text file are background."""
    given = facts("x.png", a=8, b=1), facts("y.png", a=9, void=1)._replace(split="val")
    counts = mask_counts(("background", "road"), given)
    assert list(mask_doubts(counts)) == [
        "all labelled pixels of val are background; check its labels"
    ]


def test_what_was_left_out_is_a_reason():
    counts = mask_counts(("background", "road"), [facts("x.png", a=9)])
    counts = replace(counts, skipped={"shapes of type point": 4})
    with pytest.raises(InputError, match=r"background \(not counted: 4 shapes of type"):
        check_masks(counts, Path("data"), Path("x.png"), learnt=True)


@pytest.mark.parametrize(
    ("pixels", "learnt", "words"),
    (
        ({"a": 9}, True, "have only background, so nothing can be learnt"),
        ({"a": 9, "void": 1}, True, "have only background and void, so"),
        ({"void": 1}, False, "have only void, so"),
        ({"a": 9}, False, ""),
        ({"a": 8, "b": 1}, True, ""),
    ),
)
def test_masks_of_one_class_cannot_be_learnt(pixels, learnt, words):
    """But measured, in a val split alone."""
    counts = mask_counts(("background", "road"), [facts("x.png", **pixels)])
    with pytest.raises(InputError, match=words) if words else nullcontext():
        check_masks(counts, Path("data"), Path("x.png"), learnt)


def test_images_and_objects_of_each_class():
    counts = ObjectCounts({"cat": 3, "dog": 0}, images={"cat": 2, "dog": 0})
    assert list(object_lines(counts)) == [
        "cat: images 2, objects 3",
        "dog: images 0, objects 0",
    ]
    assert list(object_doubts(counts)) == ["classes that occur in no image: dog"]
    assert list(object_doubts(replace(counts, bare=("val",))))[1:] == [
        "no image of val has an object; check its labels"
    ]


def test_no_object_at_all_cannot_be_learnt():
    counts = ObjectCounts({"cat": 0}, skipped={"objects without area": 2}, crowds=1)
    with pytest.raises(InputError) as caught:
        check_objects(counts, Path("data"), Path("x.png"))
    assert str(caught.value) == (
        "data: is not written: no image, such as x.png, has an object (not counted: 2 "
        "objects without area, 1 crowds), so nothing can be learnt; correct the labels"
    )
    check_objects(ObjectCounts({"cat": 1}), Path("data"), Path("x.png"))

"""The doctor's tables of objects."""

from __future__ import annotations

from typing import Any

SIZES = ("small", "medium", "large")


def object_tables(facts: dict[str, Any]) -> list[str]:
    """Numbers and sizes of the objects by split, and how frequent each class is."""
    if not any(record["count"] for record in facts["objects"].values()):
        return []
    return [split_table(facts), class_table(facts)]


def split_table(facts: dict[str, Any]) -> str:
    """Numbers of objects by split and size; sizes are COCO's, 32x32 and 96x96."""
    from tabulate import tabulate

    rows = [
        [
            split,
            facts["pictures"][split],
            record["count"],
            *(record[size] for size in SIZES),
            f"{record['median']:g}",
            record["max"],
        ]
        for split, record in facts["objects"].items()
    ]
    head = ["split", "images", "objects", *SIZES, "median an image", "most"]
    align = ("left", *["right"] * (len(head) - 1))
    return tabulate(rows, head, colalign=align, disable_numparse=True)


def class_table(facts: dict[str, Any]) -> str:
    """Each class's number and share of objects, and its images, by split."""
    from tabulate import tabulate

    splits = list(facts["objects"])
    rows = [
        [
            entry["name"],
            *(entry["objects"][split] for split in splits),
            *(f"{entry['share'][split]:.2%}" for split in splits),
            *(entry["pictures"][split] for split in splits),
        ]
        for entry in facts["classes"]
    ]
    head = ["class", *splits, *(f"{split} share" for split in splits)]
    head += [f"{split} images" for split in splits]
    align = ("left", *["right"] * (len(head) - 1))
    return tabulate(rows, head, colalign=align, disable_numparse=True)

"""The doctor's results on objects as JSON."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from kseg.data.checks.issues import DataIssue
from kseg.data.checks.object_scan import LARGE, MEDIUM, ObjectScan
from kseg.data.checks.statistics import image_statistics, issue_record, share_of


def object_statistics(
    scanned: ObjectScan, issues: Sequence[DataIssue]
) -> dict[str, Any]:
    """All results, as --json writes them. Crowds are counted by themselves."""
    counts = {split: scanned.counts(split) for split in scanned.splits}
    return {
        "data": scanned.name,
        "task": scanned.task,
        **image_statistics(scanned, issues),
        "objects": {s: split_record(scanned, s, m) for s, m in counts.items()},
        "classes": [
            class_record(index, name, counts)
            for index, name in enumerate(scanned.class_names)
        ],
        "findings": [issue_record(issue) for issue in issues],
    }


def split_record(scanned: ObjectScan, split: str, counts: np.ndarray) -> dict[str, Any]:
    """Numbers of objects: in all, by size as COCO divides them, and in an image.

    `counts` are (images, classes).
    """
    areas = scanned.areas(split)
    numbers = counts.sum(1)
    small, large = areas < MEDIUM**2, areas >= LARGE**2
    return {
        "count": int(counts.sum()),
        "crowds": sum(int(facts.crowd.sum()) for facts in scanned.facts(split)),
        "small": int(small.sum()),
        "medium": int((~small & ~large).sum()),
        "large": int(large.sum()),
        "median": float(np.median(numbers)) if len(numbers) else 0.0,
        "max": int(numbers.max(initial=0)),
    }


def class_record(
    index: int, name: str, counts: dict[str, np.ndarray]
) -> dict[str, Any]:
    """How frequent a class is; `counts` holds (images, classes) objects by split."""
    columns = {split: matrix[:, index] for split, matrix in counts.items()}
    return {
        "name": name,
        "objects": {split: int(column.sum()) for split, column in columns.items()},
        "share": {s: share_of(c.sum(), counts[s]) for s, c in columns.items()},
        "pictures": {s: int((column > 0).sum()) for s, column in columns.items()},
    }

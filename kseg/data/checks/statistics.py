"""The doctor's results as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any, Sequence

import numpy as np

from edge.core.images import format_size
from kseg.data.checks.issues import SEVERITIES, DataIssue
from kseg.data.checks.rules import kind_counts, size_counts
from kseg.data.checks.scan import FolderScan, Scan
from kseg.data.class_weights import RULES, Counts, class_weights

# The JSON keeps the words of the first version, for programs that read it.
JSON_SEVERITIES = {"error": "harm"}
JSON_KINDS = {"few images": "few pictures"}


def statistics(scanned: FolderScan, issues: Sequence[DataIssue]) -> dict[str, Any]:
    """All results, as --json writes them. Shares are of the labelled pixels."""
    counts = {split: scanned.counts(split) for split in scanned.splits}
    labelled = {split: matrix[:, :-1] for split, matrix in counts.items()}
    train = labelled.get("train", np.zeros((0, len(scanned.class_names)), np.int64))
    around = np.where(train > 0, train.sum(1, keepdims=True), 0).sum(0)
    counted = Counts(train.sum(0), around)
    return {
        "data": scanned.name,
        **image_statistics(scanned, issues),
        "void": {s: share_of(m[:, -1].sum(), m) for s, m in counts.items()},
        "classes": [
            class_record(index, name, labelled)
            for index, name in enumerate(scanned.class_names)
        ],
        "class_weights": {rule: class_weights(rule, counted) for rule in RULES},
        "findings": [issue_record(issue) for issue in issues],
    }


def image_statistics(scanned: Scan, issues: Sequence[DataIssue]) -> dict[str, Any]:
    """What holds for every task: numbers of issues and images, sizes and kinds."""
    severities = Counter(issue.severity for issue in issues)
    return {
        **{JSON_SEVERITIES.get(s, s): severities[s] for s in SEVERITIES},
        "pictures": {split: len(scanned.of(split)) for split in scanned.splits},
        "sizes": {
            split: {
                format_size(size): n
                for size, n in size_counts(scanned.of(split)).items()
            }
            for split in scanned.splits
        },
        "kinds": {split: kind_counts(scanned.of(split)) for split in scanned.splits},
    }


def class_record(
    index: int, name: str, labelled: dict[str, np.ndarray]
) -> dict[str, Any]:
    """How frequent a class is; `labelled` holds (images, classes) pixels by split."""
    columns = {split: matrix[:, index] for split, matrix in labelled.items()}
    return {
        "name": name,
        "pixels": {split: int(column.sum()) for split, column in columns.items()},
        "share": {s: share_of(c.sum(), labelled[s]) for s, c in columns.items()},
        "pictures": {s: int((column > 0).sum()) for s, column in columns.items()},
    }


def issue_record(issue: DataIssue) -> dict[str, Any]:
    record = asdict(issue)
    del record["indices"]
    record["severity"] = JSON_SEVERITIES.get(issue.severity, issue.severity)
    record["kind"] = JSON_KINDS.get(issue.kind, issue.kind)
    return record


def share_of(part: int, whole: np.ndarray) -> float:
    return float(part / max(1, whole.sum()))

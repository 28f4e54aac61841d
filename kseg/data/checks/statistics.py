"""The doctor's figures for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any, Sequence

import numpy as np

from edge.core.images import format_size
from kseg.data.checks.issues import SEVERITIES, DataIssue
from kseg.data.checks.rules import kind_counts, size_counts
from kseg.data.checks.scan import FolderScan
from kseg.data.class_weights import RULES, Counts, class_weights

# --- for machines ---


def figures(found: FolderScan, findings: Sequence[DataIssue]) -> dict[str, Any]:
    """All that was found, as --json has it. Shares are of the labelled pixels."""
    counts = {split: found.counts(split) for split in found.splits}
    labelled = {split: matrix[:, :-1] for split, matrix in counts.items()}
    train = labelled.get("train", np.zeros((0, len(found.names)), np.int64))
    around = np.where(train > 0, train.sum(1, keepdims=True), 0).sum(0)
    counted = Counts(train.sum(0), around)
    severities = Counter(finding.severity for finding in findings)
    return {
        "data": found.name,
        **{severity: severities[severity] for severity in SEVERITIES},
        "pictures": {split: len(found.of(split)) for split in found.splits},
        "void": {s: share_of(m[:, -1].sum(), m) for s, m in counts.items()},
        "sizes": {
            split: {
                format_size(size): n for size, n in size_counts(found.of(split)).items()
            }
            for split in found.splits
        },
        "kinds": {split: kind_counts(found.of(split)) for split in found.splits},
        "classes": [
            class_facts(index, name, labelled) for index, name in enumerate(found.names)
        ],
        "class_weights": {rule: class_weights(rule, counted) for rule in RULES},
        "findings": [finding_facts(finding) for finding in findings],
    }


def class_facts(
    index: int, name: str, labelled: dict[str, np.ndarray]
) -> dict[str, Any]:
    """How often one class is; `labelled` are (images, classes) pixels by split."""
    columns = {split: matrix[:, index] for split, matrix in labelled.items()}
    return {
        "name": name,
        "pixels": {split: int(column.sum()) for split, column in columns.items()},
        "share": {s: share_of(c.sum(), labelled[s]) for s, c in columns.items()},
        "pictures": {s: int((column > 0).sum()) for s, column in columns.items()},
    }


def finding_facts(finding: DataIssue) -> dict[str, Any]:
    record = asdict(finding)
    del record["places"]
    return record


def share_of(part: int, whole: np.ndarray) -> float:
    return float(part / max(1, whole.sum()))

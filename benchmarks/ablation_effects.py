"""What each option contributed, where variants change several options at once."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

Rows = Sequence[dict[str, Any]]  # as benchmarks.ablation writes them


def effects(rows: Rows) -> list[dict[str, Any]]:
    """The effect of each option that variants change, by least squares.

    A result is taken as the sum of a value for its seed and an effect for each changed
    option. In a balanced design, such as that of Plackett and Burman
    (doi.org/10.1093/biomet/33.4.305), an effect is the mean of all trainings with the
    option less the mean of all without it, so every training counts for every option.
    `error` is its standard error, or None if there are only as many trainings as
    unknowns. The list is empty if each variant changes one option only, which the
    difference from `base` says already, or if the trainings cannot tell the options
    apart.

    >>> rows = [{"options": {}, "values": {"seed0": 0.5}}]
    >>> rows += [{"options": {"ema": 0.9}, "values": {"seed0": 0.625}}]
    >>> rows += [{"options": {"ema": 0.9, "width": 8}, "values": {"seed0": 0.75}}]
    >>> for each in effects(rows):
    ...     print(each["option"], each["value"], round(each["effect"], 6))
    ema 0.9 0.125
    width 8 0.125
    """
    if all(len(row["options"]) < 2 for row in rows):
        return []
    changes = changes_of(rows)
    known = [
        (row["options"], seed, value)
        for row in rows
        for seed, value in row["values"].items()
        if value is not None
    ]
    seeds = sorted({seed for _, seed, _ in known})
    table = np.array(
        [
            [*(options.get(k) == v for k, v in changes), *(seed == s for s in seeds)]
            for options, seed, _ in known
        ],
        np.float64,
    )
    if not known or np.linalg.matrix_rank(table) < table.shape[1]:
        return []
    values = np.array([value for _, _, value in known])
    solution = np.linalg.lstsq(table, values, rcond=None)[0]
    errors = standard_errors(table, values - table @ solution)
    return [
        {"option": option, "value": value, "effect": effect, "error": error}
        for (option, value), effect, error in zip(
            changes, solution.tolist(), errors, strict=False
        )
    ]


def changes_of(rows: Rows) -> list[tuple[str, Any]]:
    """Every changed option with each of its values, in the order of the variants."""
    changes: list[tuple[str, Any]] = []
    for row in rows:
        changes += [item for item in row["options"].items() if item not in changes]
    return changes


def standard_errors(table: np.ndarray, rest: np.ndarray) -> list[Optional[float]]:
    """The standard error of each solution of a least-squares problem.

    Args:
        table: (results, unknowns), of full rank.
        rest: (results,), what the solution leaves.
    """
    freedom = table.shape[0] - table.shape[1]
    if freedom == 0:
        return [None] * table.shape[1]
    variance = float(rest @ rest) / freedom
    spread = np.diag(np.linalg.inv(table.T @ table))
    return [float(value) for value in np.sqrt(variance * spread)]

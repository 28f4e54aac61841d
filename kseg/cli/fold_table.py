"""The values of the folds of a training as a table on stdout."""

from __future__ import annotations

from typing import Any, Mapping

from kseg.cli.tables import value_text
from kseg.core.fold_summary import summary_rows

MOST_COLUMNS = 10  # folds that have a column; mean and std are of all


def folds_table(summary: Mapping[str, Any]) -> str:
    """folds.json for people: the headline and each class, by fold, mean and std."""
    from tabulate import tabulate

    from kseg.deploy.parity import metric_name

    folds = list(summary["values"])[:MOST_COLUMNS]
    rows = [
        (
            name,
            *(value_text(values["values"].get(fold)) for fold in folds),
            value_text(values["mean"]),
            value_text(values["std"]),
        )
        for name, values in summary_rows(summary)
    ]
    rows[0] = (metric_name(summary["headline"]), *rows[0][1:])
    rows.insert(1, ("",) * (len(folds) + 3))
    header = ("", *folds, "mean", "std")
    align = ("left", *["right"] * (len(folds) + 2))
    table = tabulate(rows, header, colalign=align, disable_numparse=True)
    if summary["finished"] < summary["folds"]:
        table += f"\n{summary['finished']} of {summary['folds']} folds are finished"
    return table

"""Results as tables on stdout, and the file of --json.

Every command imports this: so a table imports what it needs in its own function.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Sequence

from kseg.core import object_metrics
from kseg.core.runs import json_text, write_json

if TYPE_CHECKING:
    from kseg.deploy.inspection import Inspection
    from kseg.deploy.lint.rules import LintIssue
    from kseg.deploy.parity import Parity

PER_CLASS = {
    "per_class_iou": "IoU",
    "per_class_boundary_iou": "boundary IoU",
    "per_class_component_ap50": "component AP50",
}
SUMMARY = {
    "mean_iou": "mean IoU",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "frequency_weighted_iou": "frequency weighted IoU",
    "boundary_iou": "mean boundary IoU",
    "mean_iou_per_image": "mean over images of their mean IoU",
    "component_ap50": "mean component AP50",
}
# Only of networks that give a confidence, and of files since it is calibrated.
CALIBRATION = {
    "expected_calibration_error": "calibration error (ECE)",
    "temperature": "temperature of the confidence",
    "calibration_error_before": "ECE of half of val, without temperature",
    "calibration_error_after": "the same, with that of the other half",
}

LISTED = 24  # names of classes that are listed

# What agreement counts, by headline.
SAME = {
    "mean_iou": "same labels",
    "mask_ap": "same objects",
    "box_ap": "same objects",
}
# Columns of parity.json that only some tasks have, and how they are shown.
BESIDE = {"box_ap": ("box AP", ".4f")}
COMPARED = {
    "mean_matched_iou": ("matched IoU", ".4f"),
    "score_difference": ("score diff.", ".4f"),
}


def metrics_table(metrics: dict[str, Any]) -> str:
    """The content of metrics.json as tables: per class if it has classes."""
    if "per_class_iou" in metrics:
        return iou_table(metrics)
    if object_metrics.PER_CLASS in metrics:
        return object_tables(metrics)
    from tabulate import tabulate

    from kseg.deploy.parity import metric_name

    numbers = {k: v for k, v in metrics.items() if isinstance(v, (int, float))}
    return tabulate([(metric_name(k), f"{v:.4g}") for k, v in numbers.items()])


def iou_table(metrics: dict[str, Any]) -> str:
    """The figures per class and the summaries, for people."""
    from tabulate import tabulate

    rows: list[tuple[str, ...]] = [
        (name, *(value_text(metrics[key][name]) for key in PER_CLASS))
        for name in metrics["per_class_iou"]
    ]
    rows.append(("", "", "", ""))
    known = {k: v for k, v in CALIBRATION.items() if metrics.get(k) is not None}
    names = SUMMARY | known
    rows += [(text, value_text(metrics[key]), "", "") for key, text in names.items()]
    align = ("left", *["right"] * len(PER_CLASS))
    header = ("class", *PER_CLASS.values())
    return tabulate(rows, header, colalign=align, disable_numparse=True)


def object_tables(metrics: dict[str, Any]) -> str:
    """The metrics of objects per class and over all classes, for people."""
    from tabulate import tabulate

    tables = []
    for build in (object_metrics.class_table, object_metrics.summary_table):
        header, rows = build(metrics)
        align = ("left", *["right"] * (len(header) - 1))
        tables.append(tabulate(rows, header, colalign=align, disable_numparse=True))
    return "\n\n".join([*tables, "\n".join(object_metrics.notes(metrics))])


def value_text(value: Optional[float]) -> str:
    """A value in [0, 1] as text; - if it is not defined.

    >>> value_text(0.5), value_text(None)
    ('0.5000', '-')
    """
    return "-" if value is None else f"{value:.4f}"


def parity_table(
    parity: Parity, size: tuple[int, int], own_sizes: Optional[float]
) -> str:
    """parity.json for people; `own_sizes` is the headline that training reported."""
    from tabulate import tabulate

    from kseg.deploy.parity import metric_name, rows
    from kseg.evaluation.loop import REFERENCE

    headline, reference = parity["headline"], parity[REFERENCE]
    beside = {k: v for k, v in BESIDE.items() if k in reference and k != headline}
    compared = {k: v for k, v in COMPARED.items() if k in reference}
    header = (
        "model",
        metric_name(headline),
        *(title for title, _ in beside.values()),
        "drop",
        *(("worst in other light",) if shown_shifts(reference) else ()),
        SAME.get(headline, "same results"),
        *(title for title, _ in compared.values()),
        "KiB",
        "deflated",
        f"ms, {reference['threads']} threads",
        "1 thread",
    )
    lines = [
        parity_line(name, row, headline, beside, compared, size)
        for name, row in rows(parity).items()
    ]
    if own_sizes is not None:
        first = ("keras, own sizes", f"{own_sizes:.4f}")
        lines.insert(0, first + ("",) * (len(header) - len(first)))
    align = ("left", *["right"] * (len(header) - 1))
    return tabulate(lines, header, colalign=align, disable_numparse=True)


def parity_line(
    name: str,
    row: dict[str, Any],
    headline: str,
    beside: dict[str, tuple[str, str]],
    compared: dict[str, tuple[str, str]],
    size: tuple[int, int],
) -> tuple[str, ...]:
    """A line of `parity_table`; the Keras model is not compared with itself."""
    from kseg.evaluation.loop import REFERENCE

    def shown(value: Optional[float], form: str, unit: float = 1) -> str:
        return "" if value is None else format(value / unit, form)

    is_file = name != REFERENCE
    return (
        name if is_file else f"keras, {size[0]}x{size[1]}",
        f"{row[headline]:.4f}",
        *(shown(row[key], form) for key, (_, form) in beside.items()),
        f"{row['drop']:+.4f}" if is_file else "",
        *((worst_shift(row) if is_file else "",) if shown_shifts(row) else ()),
        f"{row['agreement']:.4%}" if is_file else "",
        *(shown(row[k] if is_file else None, f) for k, (_, f) in compared.items()),
        shown(row["bytes"], ",.0f", 1024),
        shown(row["compressed_bytes"], ",.0f", 1024),
        shown(row["latency_millis"], ".1f"),
        shown(row["single_thread_millis"], ".1f"),
    )


def shown_shifts(row: dict[str, Any]) -> bool:
    """Whether an entry of parity.json was measured in other light."""
    return bool(row.get("shifts"))


def worst_shift(row: dict[str, Any]) -> str:
    """The largest drop of a file in other light, and where it was."""
    from kseg.deploy.parity import shifted_drops

    drop, shift = max(shifted_drops(row))
    return f"{drop:+.4f} {shift}"


def lint_table(findings: dict[str, list[LintIssue]]) -> str:
    """The findings of each file, for people."""
    return "\n\n".join(lint_table_of(path, found) for path, found in findings.items())


def lint_table_of(path: str, findings: Sequence[LintIssue]) -> str:
    from tabulate import tabulate

    if not findings:
        return f"{path}: no problems found"
    rows = [
        (f.severity, f.device, f.operator, shortened(f.tensor), f.count, f.problem)
        for f in findings
    ]
    header = ("severity", "where", "operator", "first tensor", "times", "problem")
    return f"{path}\n" + tabulate(rows, header, disable_numparse=True)


def tensor_table(found: Inspection) -> str:
    """The tensors of a model file and what it found, for people."""
    from tabulate import tabulate

    rows = [
        (
            *(t.kind, shortened(t.name), t.dtype, "x".join(map(str, t.shape))),
            *(t.quantization, f"{t.low:.4g} to {t.high:.4g}"),
        )
        for t in found.tensors
    ]
    header = ("tensor", "name", "type", "shape", "quantization", "values")
    table = tabulate(rows, header, disable_numparse=True)
    names = [n for n in found.info.class_names if not n.startswith("class ")]
    listed = ", ".join(names[:LISTED]) or "numbered"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{table}\ntask {found.info.task}, classes: {listed}{more}"


def shortened(name: str, limit: int = 36) -> str:
    """The end of a tensor's name, which distinguishes it from others."""
    return name if len(name) <= limit else f"…{name[1 - limit :]}"


def write_result(target: str, content: Any) -> None:
    """The --json option: a file, `-` for stdout, or nothing where it is empty."""
    if target == "-":
        print(json_text(content, "--json -"))
    elif target:
        write_json(Path(target), content)

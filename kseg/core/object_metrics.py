"""The metrics of objects in words, for tables of commands and notebooks."""

from __future__ import annotations

from typing import Any, Optional

PER_CLASS = "per_class"  # a key of metrics.json that only objects have
KINDS = {"mask": "masks", "box": "boxes"}  # prefixes of keys, and their titles
# Keys of metrics.json after the prefix -> names.
OF_A_KIND = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_small": "AP of small objects",
    "ap_medium": "AP of medium objects",
    "ap_large": "AP of large objects",
    "ar100": "AR100",
}
# Keys without prefix, with their formats: of the counted results.
COUNTED = {
    "pq": ("panoptic quality (PQ)", ".4f"),
    "accuracy50": ("accuracy at IoU 0.5", ".4f"),
    "count_error": ("count error per image", ".2f"),
}
CLASS_COLUMNS = {
    "ap": ("AP", ".4f"),
    "ap50": ("AP50", ".4f"),
    "objects": ("objects", ","),
    "best_score": ("score of best F1", ".2f"),
    "best_f1": ("best F1", ".4f"),
}
USUAL_LIMIT = 100  # results of a class and image that COCO counts


def shown(value: Optional[float], form: str) -> str:
    """A number as text; - for a metric that is not defined.

    >>> shown(0.25, ".4f"), shown(1358, ","), shown(None, ".4f")
    ('0.2500', '1,358', '-')
    """
    return "-" if value is None else format(value, form)


def class_table(metrics: dict[str, Any]) -> tuple[tuple[str, ...], list]:
    """The header and a row of texts for each class, from the content of metrics.json.

    Columns that are missing in it are left out. `best score` is the score threshold
    with the highest F1.

    >>> class_table({"per_class": {"dog": {"ap": 0.5, "ap50": None, "objects": 3}}})
    (('class', 'AP', 'AP50', 'objects'), [('dog', '0.5000', '-', '3')])
    """
    rows = metrics[PER_CLASS]
    columns = {
        key: column
        for key, column in CLASS_COLUMNS.items()
        if all(key in row for row in rows.values())
    }
    header = ("class", *(name for name, _ in columns.values()))
    return header, [
        (name, *(shown(row[key], form) for key, (_, form) in columns.items()))
        for name, row in rows.items()
    ]


def summary_table(metrics: dict[str, Any]) -> tuple[tuple[str, ...], list]:
    """The header and rows of the metrics over all classes, masks beside boxes.

    >>> summary_table({"mask_ap": 0.25, "box_ap": 0.5, "count_error": 1.5})[1]
    [('AP', '0.2500', '0.5000'), ('count error per image', '1.50', '')]
    """
    kinds = [kind for kind in KINDS if f"{kind}_ap" in metrics]
    rows = [
        (name, *(shown(metrics[f"{kind}_{key}"], ".4f") for kind in kinds))
        for key, name in OF_A_KIND.items()
        if all(f"{kind}_{key}" in metrics for kind in kinds)
    ]
    empty = ("",) * (len(kinds) - 1)
    rows += [
        (name, shown(metrics[key], form), *empty)
        for key, (name, form) in COUNTED.items()
        if key in metrics
    ]
    return ("all classes", *(KINDS[kind] for kind in kinds)), rows


def notes(metrics: dict[str, Any]) -> list[str]:
    """Lines of text: how much was measured, the errors, and which results count."""
    lines = [f"{metrics['images']:,} images with {metrics['objects']:,} objects"]
    if "errors" in metrics:
        kinds = metrics["errors"].items()
        errors = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in kinds)
        names = [name for key, (name, _) in COUNTED.items() if key in metrics]
        lines.append(f"errors: {errors}")
        lines.append(
            f"{', '.join(names)} and errors are of results with a score of "
            f"{metrics['counted_score']:g} or more, AP and AR of all"
        )
    limit = metrics.get("max_detections", USUAL_LIMIT)
    if limit != USUAL_LIMIT:
        lines.append(
            f"AP counts at most {limit} results of a class and image, because an image "
            "has more than 50 objects; COCO counts 100"
        )
    return lines

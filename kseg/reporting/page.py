"""The report of a run: one page of HTML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np

from edge.core.errors import InputError
from edge.core.files import write_text
from edge.predict.semantic import Segmenter
from kseg.core.configs import TrainConfig, from_record
from kseg.core.names import OWN_LAYERS
from kseg.core.provenance import command_line
from kseg.core.runs import read_record
from kseg.data.sample import Dataset, fingerprint
from kseg.evaluation.loop import evaluate_split
from kseg.evaluation.metrics.reliability import (
    BINS,
    calibration_counts,
    expected_calibration_error,
    verdict,
)
from kseg.evaluation.semantic import Evaluation

TEMPLATE = Path(__file__).with_name("report.html")
SHOWN = 3  # pictures at either end
MISTAKES = 3  # of the confusion matrix, in words
CURVES = ("mean_iou", "loss", "learning_rate")


# --- one pass over a split ---


@dataclass(kw_only=True)
class PageEvaluation(Evaluation):
    """What the page shows of a split, from the one pass that also gives the metrics.

    `ious` are the mean IoU of each picture over the classes in its truth or prediction,
    nan where nothing is labelled; `calibration` (BINS, 3) as in `calibration_counts`,
    None where the network gives labels alone; `labels` are the predictions of the
    pictures to show, by index.
    """

    data: Dataset
    split: str
    calibration: Optional[np.ndarray] = field(
        default_factory=lambda: np.zeros((BINS, 3))
    )
    ious: list[float] = field(default_factory=list)
    labels: dict[int, np.ndarray] = field(default_factory=dict)
    stage_millis: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(
        self,
        mask: np.ndarray,
        labels: np.ndarray,
        confidence: Optional[np.ndarray] = None,
    ) -> None:
        """Counts the next picture in: ids, ids and probabilities, each (H, W)."""
        from kseg.evaluation.metrics.confusion import mean_of_present

        super().add(mask, labels, confidence)
        iou = mean_of_present(self.per_image_iou[-1])
        self.labels[len(self.ious)] = labels
        self.ious.append(np.nan if iou is None else iou)
        order = ranked(self.ious)
        kept = {*order[:SHOWN], *order[-SHOWN:]}
        self.labels = {k: v for k, v in self.labels.items() if k in kept}
        if confidence is None:
            self.calibration = None
        else:
            self.calibration += calibration_counts(mask, labels, confidence)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        return self.figures()

    def all_figures(self) -> dict[str, Any]:
        """All that the page shows in numbers, as JSON."""
        names = self.data.split(self.split).names
        per_picture = zip(names, self.ious, strict=True)
        return {
            "split": self.split,
            **self.metrics,
            "per_picture_iou": {n: None if np.isnan(v) else v for n, v in per_picture},
            "expected_calibration_error": self.calibration_error,
        }

    @property
    def calibration_error(self) -> Optional[float]:
        if self.calibration is None or not self.calibration[:, 0].any():
            return None
        return expected_calibration_error(self.calibration)


def evaluate_once(segmenter: Segmenter, data: Dataset, split: str) -> PageEvaluation:
    """Predicts every picture of a split once, and keeps what the report shows.

    Memory stays that of a few pictures. Raises InputError as `evaluate_split` does.
    """
    found = PageEvaluation(data.names, data=data, split=split)
    evaluate_split(segmenter, data.split(split), data.names, into=found)
    found.stage_millis = segmenter.stages.summary()
    return found


def ranked(ious: Sequence[float]) -> list[int]:
    """Indices from the worst to the best, those without a value left out.

    >>> ranked([0.5, float("nan"), 0.1, 0.5])
    [2, 0, 3]
    """
    return sorted(np.flatnonzero(~np.isnan(ious)).tolist(), key=lambda i: ious[i])


def both_ends(ious: Sequence[float]) -> tuple[list[int], list[int]]:
    """The best, best first, and the worst, worst first; none is both.

    >>> both_ends([0.1, 0.9, 0.4, 0.2])
    ([1, 2], [0, 3])
    """
    order = ranked(ious)
    count = min(SHOWN, len(order) // 2)
    return order[::-1][: max(1, count)], order[:count]


# --- the page ---


def write_page(path: Path, folder: Path, evaluation: PageEvaluation) -> None:
    """Writes the report of a run folder.

    Raises InputError where it cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    rules = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined}
    environment = Environment(autoescape=True, **rules)
    environment.filters["score"] = score
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    text = template.render(**content(folder, evaluation))
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); name another with --output"
        ) from None


def content(folder: Path, evaluation: PageEvaluation) -> dict[str, Any]:
    """What the template is filled with."""
    from kseg.reporting import embedded

    data, metrics = evaluation.data, evaluation.metrics
    record, history = read_record(folder), history_of(folder)
    best, worst = both_ends(evaluation.ious)
    sizes = data.split(evaluation.split).sizes
    return {
        "name": folder.resolve().name,
        "split": evaluation.split,
        "data": data.name,
        "metrics": metrics,
        "classes": class_rows(evaluation),
        "void": metrics["pixels"] < sum(height * width for height, width in sizes),
        "ends": {
            "Best": [picture(evaluation, index) for index in best],
            "Worst": [picture(evaluation, index) for index in worst],
        },
        "confusion": embedded.confusion(evaluation.matrix, data.names),
        "mistakes": most_mistaken(evaluation.matrix, data.names),
        "calibration": calibration_of(evaluation),
        "curves": {
            name: embedded.curve(history, name)
            for name in CURVES
            if history and name in history[0]
        },
        "best_epoch": max(history, key=lambda x: x["val_mean_iou"], default=None),
        "facts": facts(record, history, evaluation),
        "options": options(record),
        "command": command_line(from_record(TrainConfig, record["config"])),
        "changed": record["data"].get("fingerprint") not in (None, fingerprint(data)),
    }


def history_of(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a run; none where it was broken off in the first."""
    from kseg.core.runs import HISTORY, read_history

    path = folder / HISTORY
    history = read_history(path) if path.is_file() else []
    if history and not {"seconds", "val_mean_iou"} <= set(history[0]):
        raise InputError(f"{path}: is damaged (it lacks columns); train again")
    return history


def class_rows(evaluation: PageEvaluation) -> list[dict[str, Any]]:
    """A row of the table for each class; None for what cannot be said."""
    matrix = evaluation.matrix
    truth, predicted, hits = matrix.sum(1), matrix.sum(0), np.diagonal(matrix)
    return [
        {
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*color),
            "iou": evaluation.metrics["per_class_iou"][name],
            "found": hits[i] / truth[i] if truth[i] else None,
            "right": hits[i] / predicted[i] if predicted[i] else None,
            "share": truth[i] / max(1, truth.sum()),
        }
        for i, (name, color) in enumerate(
            zip(evaluation.data.names, evaluation.data.colors, strict=True)
        )
    ]


def picture(evaluation: PageEvaluation, index: int) -> dict[str, Any]:
    """One of the best or worst: its name, its mean IoU, its views."""
    from kseg.reporting.embedded import views

    split = evaluation.data.split(evaluation.split)
    labels, info = evaluation.labels[index], evaluation.data.info
    return {
        "name": split.names[index],
        "iou": evaluation.ious[index],
        "views": views(*split.read(index), labels, info),
    }


def most_mistaken(matrix: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """The largest cells off the diagonal of counts (C, C), the share of their truth.

    >>> most_mistaken(np.array([[8, 2], [0, 5]]), ["road", "car"])
    [{'truth': 'road', 'taken': 'car', 'share': 0.2}]
    """
    wrong = matrix - np.diag(np.diagonal(matrix))
    largest = np.argsort(-wrong, axis=None, kind="stable")[:MISTAKES]
    cells = [divmod(int(cell), len(names)) for cell in largest]
    return [
        {
            "truth": names[row],
            "taken": names[column],
            "share": float(wrong[row, column] / matrix[row].sum()),
        }
        for row, column in cells
        if wrong[row, column]
    ]


def calibration_of(evaluation: PageEvaluation) -> Optional[dict[str, Any]]:
    """What the page says of the confidence; None where there is none."""
    from kseg.reporting.embedded import reliability

    counts, error = evaluation.calibration, evaluation.calibration_error
    if counts is None or error is None:
        return None
    return {"error": error, "verdict": verdict(counts), "drawing": reliability(counts)}


def facts(
    record: dict[str, Any],
    history: Sequence[dict[str, Any]],
    evaluation: PageEvaluation,
) -> dict[str, str]:
    """What ran, on what, in which time: name -> words. What is unknown is left out."""
    config = from_record(TrainConfig, record["config"])
    data, weights = record["data"], record.get("class_weights") or {}
    parameters = record.get("parameters")
    on = f" on {config.encoder} (weights {config.weights})"
    seconds = [line["seconds"] for line in history]
    predict = ("preprocess", "inference", "postprocess")
    millis = sum(
        evaluation.stage_millis.get(name, {}).get("p50", 0) for name in predict
    )
    images = ", ".join(f"{count} {name}" for name, count in data["images"].items())
    found = {
        "Network": config.model + (on if config.model not in OWN_LAYERS else ""),
        "Parameters": parameters and f"{parameters:,}",
        "Data": f"{data['name']}: {images} images",
        "Fingerprint of the data": data.get("fingerprint"),
        "Training crop": f"{config.size[0]} × {config.size[1]}",
        "Batch": f"{config.images_per_step} images",
        "Loss": config.loss,
        "Class weights": ", ".join(f"{k} {v:.3g}" for k, v in weights.items()),
        "Learning rate": f"{config.peak_rate:g} at its peak, {config.schedule}",
        "Optimizer": config.optimizer,
        "Epochs": f"{len(history)} of {config.epochs}",
        "Training": duration(sum(seconds)) if seconds else "",
        "Epoch": f"{duration(float(np.median(seconds)))}, median" if seconds else "",
        "Prediction": f"{millis:.3g} ms a picture, median" if millis else "",
        "Versions": listed(record.get("versions", {})),
        "Machine": listed(record.get("machine", {})),
    }
    return {name: value for name, value in found.items() if value}


def listed(values: dict[str, Any]) -> str:
    """A record in one line.

    >>> listed({"threads": 2, "devices": ["cpu:0", "gpu:0"]})
    'threads 2, devices cpu:0 + gpu:0'
    """
    words = {k: " + ".join(v) if isinstance(v, list) else v for k, v in values.items()}
    return ", ".join(f"{name} {value}" for name, value in words.items())


def options(record: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Every option of training: name, value, whether it is not the default."""
    defaults = {item.name: item.default for item in fields(TrainConfig)}
    config = from_record(TrainConfig, record["config"])
    return [
        (name, str(value), value != defaults[name])
        for name, value in asdict(config).items()
    ]


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> [duration(x) for x in (7.25, 75, 8040)]
    ['7.2 s', '1 min 15 s', '2 h 14 min']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def score(value: Optional[float], missing: str = "–") -> str:
    """A number in [0, 1] as all tables of kseg show it."""
    return missing if value is None else f"{value:.4f}"

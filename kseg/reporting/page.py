"""The report of a run: one page of HTML.

What it shows of a task is that task's entry of SECTIONS; the rest is the same for all.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol, Sequence

import numpy as np

from edge.core.errors import InputError
from edge.core.files import write_text
from edge.predict.base import Predictor
from kseg.core.configs import TrainConfig, from_record
from kseg.core.names import OWN_LAYERS
from kseg.core.provenance import command_line
from kseg.core.runs import read_record
from kseg.data.sample import Dataset
from kseg.evaluation import EVALUATORS
from kseg.evaluation.loop import Evaluator, Observer, evaluate
from kseg.reporting.tasks import SECTIONS
from kseg.reporting.templates import render


class Section(Observer, Protocol):
    """What the page shows of a task: an observer of the loop over a split."""

    data: Dataset
    split: str
    evaluator: Evaluator

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        ...

    def all_metrics(self) -> dict[str, Any]:
        """All that the page shows in numbers, as JSON."""
        ...

    def summary(self) -> str:
        """The figures under the headline, as HTML."""
        ...

    def html(self) -> str:
        """The sections of the page, as HTML."""
        ...


def evaluate_split(predictor: Predictor, data: Dataset, split: str) -> Section:
    """Predicts every image of a split once, and keeps what the report shows.

    Memory stays that of a few images. Raises InputError as `evaluate` does.
    """
    evaluator = EVALUATORS[data.task](data)
    section = SECTIONS[data.task](data, split, evaluator)
    evaluate(predictor, data.split(split), evaluator, [section])
    section.stage_millis = predictor.stages.summary()
    return section


def write_page(path: Path, folder: Path, section: Section) -> None:
    """Writes the report of a run folder.

    Raises InputError where it cannot be written.
    """
    text = render("report.html", **content(folder, section))
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); name another with --output"
        ) from None


def content(folder: Path, section: Section) -> dict[str, Any]:
    """What the template is filled with."""
    from kseg.reporting import embedded

    data, headline = section.data, section.evaluator.headline
    best = f"val_{headline}"
    record, history = read_record(folder), history_of(folder, best)
    return {
        "name": folder.resolve().name,
        "split": section.split,
        "data": data.name,
        "headline": headline.replace("_", " ").replace("iou", "IoU"),
        "value": section.metrics[headline],
        "identifier": headline.replace("_", "-"),
        "summary": section.summary(),
        "sections": section.html(),
        "curves": {
            name: embedded.curve(history, name)
            for name in (headline, "loss", "learning_rate")
            if history and name in history[0]
        },
        "best": best,
        "best_epoch": max(history, key=lambda line: line[best], default=None),
        "facts": facts(record, history, section),
        "options": options(record),
        "command": command_line(from_record(TrainConfig, record["config"])),
        "changed": record["data"].get("fingerprint") not in (None, data.fingerprint),
    }


def history_of(folder: Path, best: str) -> list[dict[str, Any]]:
    """The epochs of a run; none where it was broken off in the first."""
    from kseg.core.runs import HISTORY, read_history

    path = folder / HISTORY
    history = read_history(path) if path.is_file() else []
    if history and not {"seconds", best} <= set(history[0]):
        raise InputError(f"{path}: is damaged (it lacks columns); train again")
    return history


def facts(
    record: dict[str, Any],
    history: Sequence[dict[str, Any]],
    section: Section,
) -> dict[str, str]:
    """What ran, on what, in which time: name -> words. What is unknown is left out."""
    config = from_record(TrainConfig, record["config"])
    data, weights = record["data"], record.get("class_weights") or {}
    parameters = record.get("parameters")
    on = f" on {config.encoder} (weights {config.weights})"
    seconds = [line["seconds"] for line in history]
    predict = ("preprocess", "inference", "postprocess")
    millis = sum(section.stage_millis.get(name, {}).get("p50", 0) for name in predict)
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
        "Prediction": f"{millis:.3g} ms an image, median" if millis else "",
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

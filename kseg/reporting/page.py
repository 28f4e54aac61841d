"""The report of a run: one HTML page.

The entry of the task in SECTIONS makes the parts that depend on the task.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol, Sequence

import numpy as np

from edge.core.errors import InputError, cannot_be
from edge.core.files import write_text
from edge.predict.base import Predictor
from kseg.core.configs import TrainConfig
from kseg.core.names import OWN_LAYERS
from kseg.core.provenance import command_line, written
from kseg.core.runs import read_record, recorded_config
from kseg.core.time_options import MOST_EPOCHS
from kseg.data.sample import Dataset
from kseg.evaluation import EVALUATORS
from kseg.evaluation.loop import Evaluator, Observer, evaluate
from kseg.reporting.figures import display_name
from kseg.reporting.tasks import SECTIONS
from kseg.reporting.templates import render

# What a curve shows, by the name of its column in history.csv.
CURVE_CAPTIONS = {
    "loss": "Loss by epoch; lower is better.",
    "learning_rate": "Learning rate at the end of each epoch.",
}
HEADLINE_CAPTION = (
    "{name} by epoch; higher is better. Training values are of augmented crops, "
    "validation values of whole images."
)


class Section(Observer, Protocol):
    """The part of the page that depends on the task: an observer of the evaluation."""

    data: Dataset
    split: str
    evaluator: Evaluator

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        ...

    def all_metrics(self) -> dict[str, Any]:
        """All values of the page, as JSON."""
        ...

    def summary(self) -> str:
        """The values below the headline, as HTML."""
        ...

    def html(self) -> str:
        """The sections of the page, as HTML."""
        ...


def evaluate_split(predictor: Predictor, data: Dataset, split: str) -> Section:
    """Predicts every image of a split once and collects what the report shows.

    Keeps only a few images in memory. Raises InputError as `evaluate` does.
    """
    evaluator = EVALUATORS[data.task](data)
    section = SECTIONS[data.task](data, split, evaluator)
    section.info = predictor.info
    evaluate(predictor, data.split(split), evaluator, [section])
    section.stage_millis = predictor.stages.summary()
    return section


def write_page(path: Path, folder: Path, section: Section) -> None:
    """Writes the report of a run folder. Raises InputError if it cannot be written."""
    text = render("report.html", **content(folder, section))
    try:
        write_text(path, text)
    except OSError as error:
        raise cannot_be("written", path, error) from None


def content(folder: Path, section: Section) -> dict[str, Any]:
    """Makes the variables of the template report.html."""
    from kseg.reporting import embedded

    data, headline = section.data, section.evaluator.headline
    best = f"val_{headline}"
    record, history = read_record(folder), history_of(folder, best)
    return {
        "name": folder.resolve().name,
        "split": section.split,
        "data": data.name,
        "headline": display_name(headline),
        "value": section.metrics[headline],
        "identifier": headline.replace("_", "-"),
        "summary": section.summary(),
        "sections": section.html(),
        "curves": {
            display_name(name): {
                "uris": embedded.curve(history, name),
                "caption": curve_caption(name),
            }
            for name in (headline, "loss", "learning_rate")
            if history and {name, f"val_{name}"} & set(history[0])
        },
        "best": best,
        "best_epoch": max(history, key=lambda line: line[best], default=None),
        "facts": facts(record, history, section),
        "options": options(record),
        "command": command_line(recorded_config(record)),
        "changed": record["data"].get("fingerprint") not in (None, data.fingerprint),
    }


def curve_caption(column: str) -> str:
    """Describes the curve of a column of history.csv in a sentence."""
    name = display_name(column)
    default = HEADLINE_CAPTION.format(name=name[0].upper() + name[1:])
    return CURVE_CAPTIONS.get(column, default)


def history_of(folder: Path, best: str) -> list[dict[str, Any]]:
    """Reads the epochs of a run; none if it was interrupted in the first.

    Raises InputError if columns are missing.
    """
    from kseg.core.runs import HISTORY, read_history

    path = folder / HISTORY
    history = read_history(path) if path.is_file() else []
    if history and not {"seconds", best} <= set(history[0]):
        raise InputError(f"{path}: is damaged (columns are missing); train again")
    return history


def facts(
    record: dict[str, Any],
    history: Sequence[dict[str, Any]],
    section: Section,
) -> dict[str, str]:
    """Describes the run: network, data, options, times. Unknown values are left out."""
    config = recorded_config(record)
    data, weights = record["data"], record.get("class_weights") or {}
    parameters = record.get("parameters")
    encoder = f", encoder {config.encoder} (weights {config.weights})"
    seconds = [line["seconds"] for line in history]
    median = duration(float(np.median(seconds))) if seconds else ""
    stages = ("preprocess", "inference", "postprocess")
    millis = sum(section.stage_millis.get(name, {}).get("p50", 0) for name in stages)
    images = ", ".join(f"{count} {name}" for name, count in data["images"].items())
    values = {
        "Network": config.model + (encoder if config.model not in OWN_LAYERS else ""),
        "Parameters": parameters and f"{parameters:,}",
        "Data": f"{data['name']}: {images} images",
        "Data fingerprint": data.get("fingerprint"),
        "Training crop": f"{config.size[0]} × {config.size[1]} pixels",
        "Batch size": f"{config.images_per_step} images",
        "Loss": config.loss,
        "Class weights": ", ".join(f"{k} {v:.3g}" for k, v in weights.items()),
        "Learning rate": f"peak {config.peak_rate:g}, {config.schedule} schedule",
        "Optimizer": config.optimizer,
        "Epochs": f"{len(history)} {planned(config)}",
        "Training time": duration(sum(seconds)) if seconds else "",
        "Time per epoch": median and f"{median} (median)",
        "Prediction time": f"{millis:.3g} ms per image (median)" if millis else "",
        "Versions": in_one_line(record.get("versions", {})),
        "Machine": in_one_line(record.get("machine", {})),
    }
    return {name: value for name, value in values.items() if value}


def planned(config: TrainConfig) -> str:
    """What ends a training: a number of epochs, a time, or what is first.

    >>> planned(TrainConfig(epochs=40)), planned(TrainConfig(epochs=40, hours=1.5))
    ('of 40', 'of 40, in up to 1.5 h')
    """
    if not config.hours:
        return f"of {config.epochs}"
    if config.epochs == MOST_EPOCHS:
        return f"in {config.hours:g} h"
    return f"of {config.epochs}, in up to {config.hours:g} h"


def in_one_line(record: dict[str, Any]) -> str:
    """Formats a record in one line.

    >>> in_one_line({"threads": 2, "devices": ["cpu:0", "gpu:0"]})
    'threads 2, devices cpu:0 + gpu:0'
    """
    texts = {k: " + ".join(v) if isinstance(v, list) else v for k, v in record.items()}
    return ", ".join(f"{name} {value}" for name, value in texts.items())


def options(record: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Lists the training options: name, value, and whether it is not the default."""
    defaults = {item.name: item.default for item in fields(TrainConfig)}
    config = recorded_config(record)
    return [
        (name, "" if value is None else written(name, value), value != defaults[name])
        for name, value in asdict(config).items()
    ]


def duration(seconds: float) -> str:
    """Formats a time.

    >>> [duration(x) for x in (7.25, 75, 8040)]
    ['7.2 s', '1 min 15 s', '2 h 14 min']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"

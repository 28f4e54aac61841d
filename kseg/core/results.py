"""What the functions of the Python API return.

Each has typed fields and shows itself in a notebook. Mappings give their main content
by key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from kseg.core import html, object_metrics
from kseg.core.configs import TrainConfig
from kseg.core.counts import MaskCounts, MergeCounts, ObjectCounts, ProposalCounts
from kseg.core.runs import (
    BEST,
    CURVES,
    HISTORY,
    METRICS,
    read_history,
    read_json,
    run_config,
)
from kseg.core.task_defaults import MAX_DROP

if TYPE_CHECKING:
    import numpy as np

    from edge.model_file.info import ModelInfo
    from edge.predict.results import Result


def metrics_html(metrics: dict[str, Any]) -> str:
    """The content of metrics.json as tables: all classes, then each class."""
    if object_metrics.PER_CLASS in metrics:
        tables = object_metrics.summary_table, object_metrics.class_table
        parts = [html.table(rows, head) for head, rows in (t(metrics) for t in tables)]
        lines = [html.paragraph(line) for line in object_metrics.notes(metrics)]
        return "".join([*parts, *lines])
    per_class = metrics.get("per_class_iou", {})
    classes = html.table(per_class.items(), ("class", "IoU")) if per_class else ""
    return html.numbers(metrics) + classes


@dataclass(frozen=True)
class Run:
    """A run folder with a trained network.

    `metrics` is the content of metrics.json, `history` one dict for each epoch,
    `config` the options, `stopped` whether Ctrl-C ended the training that returned this
    object. A Run can be given wherever a run folder is expected.
    """

    folder: Path
    metrics: dict[str, Any] = field(repr=False)
    history: list[dict[str, Any]] = field(repr=False)
    config: TrainConfig = field(repr=False)
    stopped: bool = False

    def __hash__(self) -> int:
        return hash(self.folder)

    def __str__(self) -> str:
        return str(self.folder)

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Opens the run folder of an earlier training.

        Raises InputError for a folder that is not a run.
        """
        folder = Path(folder)
        config = run_config(folder)
        metrics = folder / METRICS
        history = folder / HISTORY
        return cls(
            folder,
            read_json(metrics) if metrics.is_file() else {},
            read_history(history) if history.is_file() else [],
            config,
        )

    @property
    def model(self) -> Path:
        """The Keras file with the best weights."""
        return self.folder / BEST

    def __fspath__(self) -> str:
        return str(self.folder)

    def _repr_html_(self) -> str:
        return "".join(
            [
                html.heading(f"Run {self.folder}"),
                metrics_html(self.metrics),
                html.image(self.folder / CURVES),
            ]
        )


@dataclass(frozen=True, eq=False)
class Evaluation(Mapping[str, Any]):
    """The metrics of a model on a split: a mapping, as metrics.json has it.

    `headline` is the key of the metric that decides, in [0, 1]; larger is better.
    """

    model: str
    data: str
    split: str
    headline: str
    metrics: dict[str, Any]

    @property
    def value(self) -> Optional[float]:
        """The headline metric; None if it is not defined, as without any object."""
        value = self.metrics[self.headline]
        return None if value is None else float(value)

    def __getitem__(self, key: str) -> Any:
        return self.metrics[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def _repr_html_(self) -> str:
        title = html.heading(f"{self.model} on {self.data}, split {self.split}")
        return title + metrics_html(self.metrics)


@dataclass(frozen=True, eq=False)
class Exported(Mapping[str, Path]):
    """The files that an export wrote: a mapping, scheme -> file.

    `size` (height, width) is their input, `parity` the content of parity.json: every
    file against the Keras model. `trained` is the headline metric that training
    reported, images at their own sizes, and `layers` a table of the error that int8
    adds in each layer, if it was requested. `max_drop` is the largest accepted drop.
    """

    files: dict[str, Path]
    size: tuple[int, int]
    parity: dict[str, Any]
    trained: Optional[float] = None
    layers: str = ""
    max_drop: float = MAX_DROP

    @property
    def drops(self) -> dict[str, float]:
        """How much of the headline metric each file loses against Keras, in [-1, 1]."""
        return {name: self.parity[name]["drop"] for name in self.files}

    def __getitem__(self, scheme: str) -> Path:
        return self.files[scheme]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def _repr_html_(self) -> str:
        headline = self.parity["headline"]
        rows = [
            (
                name,
                row[headline],
                row.get("drop"),
                row.get("agreement"),
                row.get("bytes"),
                row.get("latency_millis"),
            )
            for name, row in self.parity.items()
            if isinstance(row, dict)
        ]
        words = headline.replace("_", " ")
        return html.table(rows, ("file", words, "drop", "agreement", "bytes", "ms"))


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model predicts for one image file.

    `result` is a SemanticMap, Detections or Instances; `channels` is what the
    network reads: 3 for RGB, 1 for grey.
    """

    path: Path
    result: Result
    info: ModelInfo
    channels: int = field(default=3, repr=False)

    @property
    def overlay(self) -> np.ndarray:
        """The image with the result drawn over it, (H, W, 3) uint8 RGB."""
        from edge.core.images import read_image, with_channels
        from edge.display.tasks import overlay

        image = read_image(self.path, self.channels, self.info.white_level)
        return overlay(with_channels(image, 3), self.result, self.info)

    def _repr_png_(self) -> bytes:
        from edge.core.images import encode_png

        return encode_png(self.overlay)


class Predictions(list[Prediction]):
    """The predictions of several image files, in their order: a list."""

    SHOWN = 8  # overlays in a notebook

    def _repr_html_(self) -> str:
        parts = [html.heading(f"{len(self)} images")]
        for each in self[: self.SHOWN]:
            parts.append(f"<p>{html.escape(str(each.path))}</p>")
            parts.append(html.png(each._repr_png_(), each.path.stem))
        if len(self) > self.SHOWN:
            parts.append(f"<p>and {len(self) - self.SHOWN} more</p>")
        return "".join(parts)


@dataclass(frozen=True)
class Report:
    """The page that shows a run, and the figures that are in it."""

    path: Path
    figures: dict[str, Any]

    def _repr_html_(self) -> str:
        return html.heading(f"Report: {self.path}") + metrics_html(self.figures)


@dataclass(frozen=True)
class Prepared:
    """A data folder that was converted from another tool's export.

    `splits` counts the images of each; `unlabelled`, `missing` and `other_licences`
    count those that were left out, because they have no label, no image file or none of
    the chosen licences. `masks` is None for objects, `objects` for masks, `proposals`
    without --proposals. A folder that only got proposals has no `format`. With --merge,
    `merged` says what was added to the folder, and the other counts are of the export.
    """

    folder: Path
    format: str
    class_names: tuple[str, ...]
    splits: dict[str, int]
    unlabelled: int = 0
    missing: int = 0
    other_licences: int = 0
    task: str = "semantic"
    objects: Optional[ObjectCounts] = None
    proposals: Optional[dict[str, ProposalCounts]] = None
    masks: Optional[MaskCounts] = None
    merged: Optional[MergeCounts] = None

    def record(self) -> dict[str, Any]:
        """The content of --json."""
        record = {
            "format": self.format,
            "task": self.task,
            "classes": self.class_names,
            "splits": self.splits,
            "unlabelled": self.unlabelled,
            "missing": self.missing,
            "other_licences": self.other_licences,
        }
        if self.masks:
            record["masks"] = asdict(self.masks)
        if self.objects:
            record["objects"] = asdict(self.objects)
        if self.merged:
            record["merged"] = asdict(self.merged)
        if self.proposals:
            record["proposals"] = {k: v.record() for k, v in self.proposals.items()}
        return record

    def _repr_html_(self) -> str:
        source = f", from {self.format}" if self.format else ""
        title = html.heading(f"{self.folder}{source}")
        classes = html.table([(name,) for name in self.class_names], ("class",))
        if self.masks:
            counts = self.masks.images, self.masks.pixels
            rows = ((name, *(one[name] for one in counts)) for name in counts[0])
            classes = html.table(rows, ("class", "images", "pixels"))
        if self.objects:
            classes = html.table(self.objects.classes.items(), ("class", "objects"))
        return title + html.table(self.splits.items(), ("split", "images")) + classes


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found in a data set.

    `issues` are objects with `severity`, `split`, `count`, `text` and `examples`;
    `figures` is the content of --json; `errors` counts the kinds of errors, which have
    to be fixed before training.
    """

    data: str
    issues: tuple[Any, ...]
    figures: dict[str, Any]
    errors: int
    task: str = "semantic"

    @property
    def ok(self) -> bool:
        """Whether the data can be trained on."""
        return not self.errors

    def _repr_html_(self) -> str:
        rows = [
            (x.severity, x.split, x.count, x.text, ", ".join(x.examples[:3]))
            for x in self.issues
        ]
        head = ("severity", "split", "count", "what", "examples")
        title = html.heading(f"{self.data}: {self.errors} kinds of errors")
        return title + html.table(rows, head)


@dataclass(frozen=True, eq=False)
class Summary(Mapping[str, Any]):
    """The figures of a network, or of all by name: the content of --json."""

    figures: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.figures[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def _repr_html_(self) -> str:
        return html.numbers(self.figures)

"""Measures networks that classify proposals: passes and time for each image.

    kseg benchmark proposals --images 20

The networks run in turns on the same images of the val split. The boxes of selective
search are computed anew for each image, in a stage of their own. AP is that which
training reported, on all images of val.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Mapping, Optional, Sequence

from benchmarks.results import JSON_HELP, option, show
from edge.core.errors import InputError
from edge.core.timing import time_in_turns
from edge.predict.base import Predictor
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.options import Output
from kseg.core.progress import bar
from kseg.core.runs import METRICS
from kseg.data.sample import Split

STAGES = ("proposals", "inference")


@dataclass(frozen=True)
class ProposalsConfig:
    """Options of `kseg benchmark proposals`."""

    runs: tuple[str, ...] = option(
        ("saved_models/shapes-fast_rcnn-plain", "saved_models/shapes-rcnn-plain"),
        "run folders",
        nargs="+",
    )
    images: int = option(10, "images of the val split")
    json: Output = option("", JSON_HELP)


@dataclass(frozen=True)
class ImageCost:
    """What an image costs, as medians: passes of the network, and milliseconds.

    `total` is from the image to the objects; `proposals` and `inference` are parts of
    it, 0 for a network without such a stage. A network that does not count its passes
    makes one.
    """

    passes: float
    total: float
    proposals: float
    inference: float

    @property
    def without_proposals(self) -> float:
        return self.total - self.proposals


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(ProposalsConfig, "kseg benchmark proposals", __doc__, argv)
    show(compare(config), cost_table, config.json)


def compare(config: ProposalsConfig) -> dict[str, Any]:
    """Run folder -> its costs and the AP of its metrics.json."""
    backend.start()
    from kseg.evaluation.open import data_of, locate, open_predictor

    predictors: dict[str, Predictor] = {}
    folders: list[Path] = []
    for run in config.runs:
        path, folder = locate(run)
        if folder is None:
            raise InputError(f"{run}: not a run folder; kseg train writes one")
        predictors[run] = open_predictor(path)
        folders.append(folder)
    split = data_of(config.runs[0], folders[0], "", None).split("val")
    costs = costs_on_images(predictors, split, config.images)
    return {
        run: {**asdict(cost), "box_ap": reported_ap(Path(run))}
        for run, cost in costs.items()
    }


def costs_on_images(
    predictors: Mapping[str, Predictor], split: Split, count: int
) -> dict[str, ImageCost]:
    """The cost of each predictor on the first `count` images of a split.

    On each image, every predictor runs twice, and the second run counts; see
    `time_in_turns`.
    """
    found: dict[str, list[ImageCost]] = {name: [] for name in predictors}
    for index in bar(range(min(len(split.sizes), count)), "timing"):
        image = split.read(index).image
        calls = {
            name: partial(each.predict, image) for name, each in predictors.items()
        }
        before = {name: passes_of(each) for name, each in predictors.items()}
        for name, (millis,) in time_in_turns(calls, rounds=1).items():
            each = predictors[name]
            last = {stage: last_millis(each, stage) for stage in STAGES}
            passes = (passes_of(each) - before[name]) / 2 or 1.0  # it ran twice
            found[name].append(ImageCost(passes, millis, **last))
    return {name: medians(costs) for name, costs in found.items()}


def last_millis(predictor: Predictor, stage: str) -> float:
    """The last time of a stage, in milliseconds; 0 if the predictor has none."""
    times = predictor.stages.millis
    return times[stage][-1] if times.get(stage) else 0.0


def passes_of(predictor: Predictor) -> int:
    """How often the network of a predictor has run; 0 if it does not count."""
    return getattr(predictor.engine, "passes", 0)


def medians(costs: Sequence[ImageCost]) -> ImageCost:
    """The median of each part."""
    rows = [asdict(cost) for cost in costs]
    return ImageCost(**{name: median(row[name] for row in rows) for name in rows[0]})


def reported_ap(folder: Path) -> Optional[float]:
    """The AP of boxes in a run's metrics.json; None without the file."""
    path = folder / METRICS
    if not path.is_file():
        return None
    return json.loads(path.read_text(encoding="utf-8")).get("box_ap")


def cost_table(figures: dict[str, Any]) -> str:
    """A row for each run; `times` compares the times without proposals."""
    from tabulate import tabulate

    rows = []
    own = {name: ImageCost(**without_ap(each)) for name, each in figures.items()}
    fastest = min(cost.without_proposals for cost in own.values())
    for name, cost in own.items():
        ap = figures[name]["box_ap"]
        rows.append(
            (
                Path(name).name,
                f"{cost.passes:.0f}",
                f"{cost.total:.1f}",
                f"{cost.proposals:.1f}",
                f"{cost.without_proposals:.1f}",
                f"{cost.without_proposals / fastest:.1f}",
                "-" if ap is None else f"{ap:.4f}",
            )
        )
    titles = ("run", "passes", "ms", "proposals", "network", "times", "box AP")
    return tabulate(rows, titles, disable_numparse=True, stralign="right")


def without_ap(row: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "box_ap"}

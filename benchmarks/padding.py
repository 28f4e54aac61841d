"""Measures what the padding inside a network costs, in Keras.

    kseg benchmark padding --run saved_models/RUN --size 360x480

A network pads images to a multiple of its stride. This compares paddings, and images
that are resized to the multiples below and above, which need none: on the validation
images, and on some of them in other light.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Iterator, Optional, Sequence

from benchmarks.results import JSON_HELP, option, show
from edge.core.errors import InputError
from edge.core.images import format_size
from kseg.cli.parser import parse
from kseg.core.options import Output, Size

NO_PADDING = "none"


@dataclass(frozen=True)
class PaddingConfig:
    """Options of `kseg benchmark padding`."""

    run: str = option("", "run folder; required")
    data: str = option("", "data folder; default: the run's own")
    size: Optional[Size] = option(
        None, "input size in pixels; default: that of the data"
    )
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(PaddingConfig, "kseg benchmark padding", __doc__, argv)
    show(padding_cost(config), padding_table, config.json)


def padding_cost(config: PaddingConfig) -> dict[str, Any]:
    """The headline metric of each size and padding, as it is and in other light.

    Raises InputError for a run whose network does not pad.
    """
    if not config.run:
        raise InputError("benchmark padding: --run is required; give a run folder")
    from edge.predict.open import predictor_of
    from kseg.core.configs import ExportConfig
    from kseg.deploy.export import open_run
    from kseg.deploy.parity import value_of
    from kseg.evaluation.shifts import values_under_shifts
    from kseg.models.keras_engine import KerasEngine
    from kseg.models.layers.sizes import PadToMultiple, set_padding

    options = ExportConfig(config.run, data=config.data, size=config.size)
    source = open_run(options, Path(config.run))
    padded = [each for each in source.model.layers if isinstance(each, PadToMultiple)]
    if not padded:
        raise InputError(f"{config.run}: its network does not pad; give another run")
    split, rows = source.data.split("val"), []
    for size, mode in cases(source.size, padded[0].multiple):
        if mode != NO_PADDING:
            set_padding(source.model, mode)
        engine = KerasEngine(source.model, size, source.head)
        predictor = predictor_of(engine, source.info, config.run)
        value = value_of(predictor, split, source.new_evaluator)
        found = values_under_shifts({"": predictor}, split, source.new_evaluator)
        shifts = found.get("", {})
        rows.append({"size": size, "padding": mode, "value": value, "shifts": shifts})
    return {"headline": source.new_evaluator().headline, "ways": rows}


def cases(size: tuple[int, int], multiple: int) -> Iterator[tuple[Any, str]]:
    """The sizes and paddings that are compared.

    >>> list(cases((64, 96), 32))
    [((64, 96), 'none')]
    >>> [case for case, mode in cases((60, 96), 32) if mode == "none"]
    [(32, 96), (64, 96)]
    """
    from kseg.models.layers.sizes import PADDINGS

    below = tuple(max(1, side // multiple) * multiple for side in size)
    above = tuple(side + -side % multiple for side in size)
    if size != above:
        yield from ((size, mode) for mode in PADDINGS)
    yield from ((each, NO_PADDING) for each in dict.fromkeys((below, above)))


def padding_table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    from tabulate import tabulate

    from kseg.deploy.parity import metric_name

    rows = []
    for row in figures["ways"]:
        shifts = row["shifts"].values()
        light = [f"{fmean(shifts):.4f}", f"{min(shifts):.4f}"] if shifts else ["", ""]
        size = format_size(row["size"])
        rows.append((size, row["padding"], f"{row['value']:.4f}", *light))
    name = metric_name(figures["headline"])
    header = ("size", "padding", name, "mean in other light", "worst")
    return tabulate(rows, header, disable_numparse=True)

"""Segments pictures: a mask and an overlay for each.

    python -m kseg.predict saved_models/RUN photo.jpg folder/ --output predictions
    python -m kseg.predict grouping:color DIR/images --truth DIR/strokes --output DIR

Masks are index PNGs with the classes' colours as palette: masks/NAME.png holds class
ids, ready to be corrected and trained on.

A grouping (color, edges, intensity, texture) helps to label: alone it writes ids of
segments and draws their outlines; with --truth, masks of class ids that are 255 but for
a few strokes, each segment becomes the class that most of its strokes have and stays
255 where it has none. The classes' names are those of DIR/classes.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
from PIL import Image

from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.images import read_image, with_channels, write_image
from edge.core.log import say
from edge.display.colors import color_table
from edge.display.draw import blend
from edge.model_file.info import ModelInfo
from edge.predict.semantic import Segmenter
from kseg.cli.parser import parse
from kseg.cli.tables import write_result
from kseg.core import backend
from kseg.core.configs import PredictConfig
from kseg.core.progress import bar
from kseg.evaluation.grouping import (
    PREFIX,
    GroupingEngine,
    is_grouping,
    name_by_majority,
    outlined,
)
from kseg.evaluation.open import list_pictures, locate, open_segmenter
from kseg.evaluation.strokes import StrokeMasks, describe, open_strokes

LISTED = 24  # classes of a picture in the lines for people; the JSON has all


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(PredictConfig, "kseg.predict", __doc__, argv)
    check_grouping(config)
    paths = list_pictures(config.images)
    path, _ = locate(config.model)
    if path.suffix == ".keras":
        backend.start()
    segmenter = open_segmenter(
        path, config.engine, config.threads, config.segments, config.passes
    )
    truth = open_strokes(Path(config.truth), paths) if config.truth else None
    output = Path(config.output)
    if truth:
        describe(output, truth)
    for name in ("masks", "overlays"):
        make_folder(output / name)
    info = truth.info if truth else segmenter.info
    shares: dict[str, dict[str, float]] = {}
    for picture in bar(paths, "segmenting"):
        labels, view = segment(picture, segmenter, truth)
        write_mask(output / "masks" / f"{picture.stem}.png", labels, info)
        write_image(output / "overlays" / f"{picture.stem}.jpg", view)
        shares[str(picture)] = class_shares(labels, info)
    say(f"{len(paths)} pictures: masks and overlays are in {output}")
    if config.json != "-":
        for name, classes in shares.items():
            print(f"{name}: {listed(classes)}")
    write_result(config.json, shares)


def listed(shares: dict[str, float]) -> str:
    """Shares for people, the largest ones.

    >>> listed({"road": 0.75, "sky": 0.25})
    'road 75.0%, sky 25.0%'
    """
    shown = ", ".join(f"{c} {s:.1%}" for c, s in [*shares.items()][:LISTED])
    more = len(shares) - LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def check_grouping(config: PredictConfig) -> None:
    """Raises InputError for options of a grouping given to a network, and for strokes
    that the masks would be written over."""
    grouping = is_grouping(config.model, config.segments)
    if not config.truth:
        return
    if not grouping:
        raise InputError(
            f"--truth names the segments of a {PREFIX}:KIND; {config.model} names its "
            "own classes, leave --truth out"
        )
    if Path(config.truth).resolve() == (Path(config.output) / "masks").resolve():
        raise InputError(
            f"--output {config.output}: its masks would be written over those of "
            f"--truth {config.truth}; name another"
        )


def segment(
    picture: Path, segmenter: Segmenter, truth: Optional[StrokeMasks]
) -> tuple[np.ndarray, np.ndarray]:
    """A picture file -> its labels (H, W) uint8 and its overlay (H, W, 3) uint8."""
    info = segmenter.info
    image = read_image(picture, segmenter.engine.channels, info.white)
    try:
        labels = segmenter.predict(image)
    except InputError as error:
        raise InputError(f"{picture}: {error}") from None
    rgb = with_channels(image, 3)
    if not isinstance(segmenter.engine, GroupingEngine):
        return labels, blend(rgb, labels, info)
    if not truth:
        return labels, outlined(blend(rgb, labels, info, opacity=0.3), labels)
    classes = len(truth.info.names)
    named = name_by_majority(labels, truth.read(picture), classes)
    return named, outlined(blend(rgb, named, truth.info), labels)


def write_mask(path: Path, labels: np.ndarray, info: ModelInfo) -> None:
    """Class ids as a palette PNG, whole or not at all."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette(color_table(info).ravel().tolist())
    part = path.with_name(f".{path.stem}.part.png")
    image.save(part)
    part.replace(path)


def class_shares(labels: np.ndarray, info: ModelInfo) -> dict[str, Any]:
    """Share of the picture of each class that occurs, the largest first."""
    counts = np.bincount(labels.ravel(), minlength=1)
    order = [int(i) for i in np.argsort(-counts) if counts[i]]
    names = {info.ignore_index: "unlabelled", **dict(enumerate(info.names))}
    return {names[i]: round(counts[i] / labels.size, 5) for i in order}

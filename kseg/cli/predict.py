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
from typing import Any, Callable, Optional, Sequence

import numpy as np

from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.images import read_image, with_channels, write_image
from edge.core.log import say
from edge.display.draw import blend
from edge.display.tasks import DRAW, FRAME_FILES, SUMMARIES
from edge.display.view import View
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.results import Result, SemanticMap
from kseg.cli.parser import parse
from kseg.cli.tables import write_result
from kseg.core import backend
from kseg.core.configs import PredictConfig
from kseg.core.progress import bar
from kseg.evaluation.grouping import PREFIX, GroupingEngine, draw_borders, is_grouping
from kseg.evaluation.labelled_segments import label_segments
from kseg.evaluation.open import list_given_images, locate, open_predictor
from kseg.evaluation.strokes import StrokeMasks, open_strokes, write_classes

LISTED = 24  # classes of a picture in the lines for people; the JSON has all


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(PredictConfig, "kseg.predict", __doc__, argv)
    check_grouping(config)
    paths = list_given_images(config.images)
    path, _ = locate(config.model)
    if path.suffix == ".keras":
        backend.start()
    predictor = open_predictor(
        path, config.engine, config.threads, config.segments, config.tta
    )
    truth = open_strokes(Path(config.truth), paths) if config.truth else None
    output = Path(config.output)
    if truth:
        write_classes(output, truth)
    for name in ("masks", "overlays"):
        make_folder(output / name)
    info = truth.info if truth else predictor.info
    found: dict[str, dict[str, Any]] = {}
    for image in bar(paths, "predicting"):
        result, view = segment(image, predictor, truth)
        FRAME_FILES[info.task](output / "masks", image.stem, result, info)
        write_image(output / "overlays" / f"{image.stem}.jpg", view)
        found[str(image)] = RECORDS.get(info.task, SUMMARIES[info.task])(result, info)
    say(f"{len(paths)} images: masks and overlays are in {output}")
    if config.json != "-":
        for name, record in found.items():
            print(f"{name}: {listed(record)}")
    write_result(config.json, found)


def listed(shares: dict[str, Any]) -> str:
    """Shares for people, the largest ones.

    >>> listed({"road": 0.75, "sky": 0.25})
    'road 75.0%, sky 25.0%'
    """
    known = [(c, s) for c, s in shares.items() if isinstance(s, float)]
    shown = ", ".join(f"{c} {s:.1%}" for c, s in known[:LISTED])
    more = len(known) - LISTED
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
    path: Path, predictor: Predictor, truth: Optional[StrokeMasks]
) -> tuple[Result, np.ndarray]:
    """An image file -> its result and its overlay (H, W, 3) uint8 RGB."""
    info = predictor.info
    image = read_image(path, predictor.engine.channels, info.white)
    try:
        result = predictor.predict(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    rgb = with_channels(image, 3)
    if not isinstance(predictor.engine, GroupingEngine):
        bgr = np.ascontiguousarray(rgb[..., ::-1])
        view = DRAW[info.task](bgr, result, info, "", View(legend=False))
        return result, np.ascontiguousarray(view[..., ::-1])
    if not truth:
        faint = blend(rgb, result.labels, info, opacity=0.3)
        return result, draw_borders(faint, result.labels)
    named = label_segments(truth.read(path), result, len(truth.info.names))
    return named, draw_borders(blend(rgb, named.labels, truth.info), result.labels)


def class_shares(result: SemanticMap, info: ModelInfo) -> dict[str, float]:
    """The share of the image of each class that occurs, the largest first."""
    shares = result.shares(info, void="unlabelled")
    order = sorted(shares, key=shares.get, reverse=True)
    return {name: round(shares[name], 5) for name in order}


# What --json says of an image; the others as in lines of the camera.
RECORDS: dict[str, Callable[[Any, ModelInfo], dict[str, Any]]] = {
    "semantic": class_shares
}

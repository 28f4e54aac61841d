"""Writes what a model finds in images as labels that people correct in a tool."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.app.object_options import check_task_options, decoder_changes
from edge.core.errors import InputError
from edge.core.images import read_image
from edge.predict.base import Predictor
from kseg.core.prelabel_config import PrelabelConfig
from kseg.core.progress import bar
from kseg.data.formats.writer import check_target, staged
from kseg.data.formats.writing.export import Export
from kseg.data.formats.writing.formats import CENTRES, IN_PLACE, WRITTEN
from kseg.data.formats.writing.objects import (
    OBJECTS,
    Limits,
    WrittenClasses,
    written_classes,
)
from kseg.data.objects_file import LabelledImage
from kseg.evaluation.grouping import is_grouping
from kseg.evaluation.open import list_given_images
from kseg.evaluation.predict_images import opened

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prelabelled:
    """Labels that were written for correction.

    `objects` counts the polygons' regions, objects or boxes of each class, `specks`
    those left out because they are smaller than the least area.
    """

    folder: Path
    format: str
    task: str
    images: int
    objects: dict[str, int]
    points: int
    specks: int

    def record(self) -> dict[str, Any]:
        """The content of --json."""
        return {
            "format": self.format,
            "task": self.task,
            "images": self.images,
            "objects": self.objects,
            "points": self.points,
            "specks": self.specks,
        }


def prelabel(config: PrelabelConfig) -> Prelabelled:
    """Predicts all images of `config.dir`, and writes the folder `config.output`.

    It appears when it is complete, or not at all. Raises InputError for a model, images
    and options that do not fit, and for a folder that has files already.
    """
    folder = Path(config.output)
    check_options(config)
    check_target(folder)
    paths = list_given_images([config.dir])
    predictor = opened(config)
    task = predictor.info.task
    if task not in OBJECTS:
        raise InputError(f"{config.model}: no polygons are made for the task {task}")
    check_task_options(config, task)
    changes = decoder_changes(config)
    predictor = predictor.with_decoder(changes) if changes else predictor
    classes = written_classes(predictor.info)
    centres = task in CENTRES.get(config.format, ())
    limits = Limits(config.tolerance, config.least_area, centres)
    images, specks = [], 0
    for path in bar(paths, "predicting"):
        labelled, left_out = labelled_image(predictor, path, classes, limits)
        images.append((path, labelled))
        specks += left_out
    with staged(folder) as part:
        export = Export(classes.names, classes.colors, images)
        WRITTEN[config.format].write(part, export)
    return said(counted(folder, config.format, task, export, specks))


def check_options(config: PrelabelConfig) -> None:
    """Raises InputError for options that no polygons can be made with."""
    if is_grouping(config.model):
        raise InputError(
            f"{config.model}: a grouping gives segments without classes; give a run, "
            "or use kseg predict with --truth"
        )
    if not Path(config.dir).is_dir():
        raise InputError(f"{config.dir}: no such folder; give a folder of images")


def labelled_image(
    predictor: Predictor, path: Path, classes: WrittenClasses, limits: Limits
) -> tuple[LabelledImage, int]:
    """The objects that a model finds in an image file, and how many were too small."""
    info = predictor.info
    image = read_image(path, predictor.engine.channels, info.white_level)
    try:
        result = predictor.predict(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    found = OBJECTS[info.task](result, classes.ids, limits)
    size = image.shape[0], image.shape[1]
    return LabelledImage(path.name, size, tuple(found.objects)), found.specks


def counted(
    folder: Path, name: str, task: str, export: Export, specks: int
) -> Prelabelled:
    """What was written, by class."""
    objects = [one for _, image in export.images for one in image.objects]
    counts = Counter(one.class_id for one in objects)
    points = sum(len(polygon) for one in objects for polygon in one.polygons)
    by_name = {name: counts[index] for index, name in enumerate(export.class_names)}
    return Prelabelled(folder, name, task, len(export.images), by_name, points, specks)


def said(done: Prelabelled) -> Prelabelled:
    """Logs what was written, and what to do next."""
    kinds = ", ".join(f"{name} {number}" for name, number in done.objects.items())
    left = f"; left out as too small: {done.specks}" if done.specks else ""
    images = "1 image" if done.images == 1 else f"{done.images} images"
    log.info(f"{done.folder}: {images}; {kinds}{left}")
    tool, source = WRITTEN[done.format].TOOL, "EXPORT"
    exported = ", export them in this format"
    if done.format in IN_PLACE:
        exported, source = " and save them there", shlex.quote(str(done.folder))
    log.info(
        f"correct them in {tool}{exported}, then: kseg prepare {source} "
        f"--task {done.task} --merge DATA"
    )
    return done

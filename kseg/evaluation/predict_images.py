"""Predicts image files one after the other, and writes masks and overlays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional, Union

import numpy as np

from edge.app.object_options import check_task_options, decoder_changes
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.images import read_image, with_channels, write_image
from edge.display.draw import blend, legend_alone
from edge.display.tasks import FRAME_FILES, overlay
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.results import Result
from kseg.core import backend
from kseg.core.configs import PredictConfig
from kseg.core.fold_runs import is_several
from kseg.core.prelabel_config import PrelabelConfig
from kseg.core.progress import shown
from kseg.core.results import Prediction
from kseg.evaluation.grouping import PREFIX, GroupingEngine, draw_borders, is_grouping
from kseg.evaluation.labelled_segments import label_segments
from kseg.evaluation.open import list_given_images, locate, open_predictor
from kseg.evaluation.several import open_several
from kseg.evaluation.strokes import StrokeMasks, open_strokes, write_classes


@dataclass
class ImagePredictor:
    """A model, with the strokes that name the segments of a grouping, if any.

    With `confidence` its results have the confidence, if the network gives it.
    """

    predictor: Predictor
    strokes: Optional[StrokeMasks]
    confidence: bool = False

    @property
    def info(self) -> ModelInfo:
        """The classes of the results."""
        return self.strokes.info if self.strokes else self.predictor.info

    def predict(self, path: Path) -> tuple[Result, np.ndarray]:
        """An image file -> its result, and the overlay (H, W, 3) uint8 RGB."""
        predictor = self.predictor
        image = read_image(path, predictor.engine.channels, predictor.info.white_level)
        try:
            result = predictor.predict(image, confidence=self.confidence)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        rgb = with_channels(image, 3)
        if not isinstance(predictor.engine, GroupingEngine):
            return result, overlay(rgb, result, self.info)
        if not self.strokes:
            faint = blend(rgb, result.labels, self.info, opacity=0.3)
            return result, draw_borders(faint, result.labels)
        named = label_segments(
            self.strokes.read(path), result, len(self.info.class_names)
        )
        return named, draw_borders(blend(rgb, named.labels, self.info), result.labels)


def predict_images(config: PredictConfig, write: bool = True) -> Iterator[Prediction]:
    """Predicts every image; with `write` its file and an overlay go to `config.output`.

    The colours of the classes are there too, in legend.png.

    Raises InputError for images, models and options that do not fit.
    """
    check_strokes(config)
    paths = list_given_images(config.images)
    predictor = opened(config)
    check_task_options(config, predictor.info.task)
    changes = decoder_changes(config)
    predictor = predictor.with_decoder(changes) if changes else predictor
    strokes = open_strokes(Path(config.truth), paths) if config.truth else None
    model = ImagePredictor(predictor, strokes, confidence=bool(config.json))
    output = Path(config.output)
    if strokes and write:
        write_classes(output, strokes)
    for name in ("masks", "overlays") if write else ():
        make_folder(output / name)
    if write:
        write_legend(output, model)
    for image in shown(paths, "predicting", len(paths)):
        result, view = model.predict(image)
        if write:
            FRAME_FILES[model.info.task](
                output / "masks", image.stem, result, model.info, colored=True
            )
            write_image(output / "overlays" / f"{image.stem}.jpg", view)
        yield Prediction(image, result, model.info, predictor.engine.channels)


def write_legend(output: Path, model: ImagePredictor) -> None:
    """Writes legend.png, the colours of the classes; segments have none."""
    if isinstance(model.predictor.engine, GroupingEngine) and not model.strokes:
        return
    image = legend_alone(model.info)
    if image is not None:
        write_image(output / "legend.png", image[..., ::-1])


def opened(config: Union[PredictConfig, PrelabelConfig]) -> Predictor:
    """The predictor of MODEL: of one model, or of the mean of several."""
    if is_several(config.model):
        options = (config.engine, config.threads, config.tta, config.reading)
        return open_several(config.model, *options)
    path, _ = locate(config.model)
    if path.suffix == ".keras":
        backend.start()
    return open_predictor(
        *(path, config.engine, config.threads, config.segments, config.tta),
        given=config.reading,
    )


def check_strokes(config: PredictConfig) -> None:
    """Raises InputError for strokes given to a network, and for an output folder where
    they would be overwritten."""
    grouping = is_grouping(config.model, config.segments)
    if not config.truth:
        return
    if not grouping:
        raise InputError(
            f"--truth names the segments of {PREFIX}:KIND, and {config.model} predicts "
            "classes itself; leave --truth out"
        )
    if Path(config.truth).resolve() == (Path(config.output) / "masks").resolve():
        raise InputError(
            f"--output {config.output}: its masks would overwrite those of --truth "
            f"{config.truth}; give another folder"
        )

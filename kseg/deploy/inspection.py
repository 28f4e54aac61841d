"""Shows how a model file is understood: its tensors, and one labelled picture."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.images import read_image, with_channels, write_image
from edge.display.tasks import SUMMARIES, overlay
from edge.display.view import View
from edge.engines.base import TensorSpec
from edge.model_file.info import ModelInfo
from edge.model_file.reading import NOTHING, Reading
from edge.predict import open_predictor
from edge.predict.base import Predictor
from edge.video.scenes import scene

log = logging.getLogger(__name__)

SCENE = (480, 640)  # of the generated picture


@dataclass(frozen=True)
class TensorRow:
    """An input or output of a file, and the numbers in it for one picture.

    `low` and `high` are dequantized. `quantization` is "" for a tensor without a scale.
    """

    kind: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    quantization: str
    low: float
    high: float


@dataclass(frozen=True)
class Inspection:
    """A file's tensors, the task and classes found, and the labelled picture."""

    tensors: list[TensorRow]
    info: ModelInfo
    found: dict[str, Any]
    picture: np.ndarray


def inspect(path: Path, given: Reading = NOTHING, image: str = "") -> Inspection:
    """Runs a .tflite or .onnx file on an image file, by default a generated scene.

    Raises InputError for a file that cannot be run or understood.
    """
    predictor = open_predictor(path, given=given)
    info = predictor.info
    if image:
        picture = read_image(Path(image), predictor.engine.channels, info.white_level)
    else:
        picture = with_channels(scene(0, 0, SCENE)[0], predictor.engine.channels)
    result = predictor.predict(picture)
    view = View(legend=len(info.class_names) <= 256)
    return Inspection(
        tensors_of(predictor, picture),
        info,
        SUMMARIES[info.task](result, info),
        overlay(with_channels(picture, 3), result, info, view),
    )


def tensors_of(predictor: Predictor, image: np.ndarray) -> list[TensorRow]:
    """The input and outputs of a predictor's file for an image (H, W, C) uint8."""
    engine = predictor.engine
    tile = predictor.prepare(image)[0][0][0]
    given = engine.image.encode(tile)  # type: ignore[attr-defined]
    outputs = engine(tile)
    return [
        row_of("input", engine.input, given),
        *(row_of("output", output.spec, output.raw) for output in outputs),
    ]


def row_of(kind: str, spec: TensorSpec, raw: np.ndarray) -> TensorRow:
    """A tensor's description and range."""
    low, high = np.nan, np.nan
    if raw.size:
        ends = np.array([np.min(raw), np.max(raw)])
        low, high = map(float, spec.dequantize(ends))
    quantization = f"{spec.scale:.4g} * (q - {spec.zero_point})" if spec.scale else ""
    shape = tuple(int(side) for side in spec.shape)
    return TensorRow(kind, spec.name, str(spec.dtype), shape, quantization, low, high)


def picture_path(path: Path, folder: str = "") -> Path:
    """The file of a model's labelled picture: NAME.tflite.png, by default beside it."""
    return Path(folder or path.parent) / f"{path.name}.png"


def write_picture(found: Inspection, path: Path, folder: str = "") -> Optional[Path]:
    """Writes the labelled picture; None, which is logged, if that is not possible.

    Raises InputError for a given `folder` that cannot be written to.
    """
    if folder:
        make_folder(Path(folder))
    target = picture_path(path, folder)
    try:
        write_image(target, found.picture)
    except (InputError, OSError) as error:
        if folder:
            raise InputError(f"{target}: cannot be written ({error})") from None
        log.warning(f"{error}; the labelled picture is left out, give --output DIR")
        return None
    return target

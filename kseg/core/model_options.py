"""Groups of options of commands that use a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from edge.core.constants import (
    ENGINES,
    FULL_SIZE_TILE,
    MODEL_SUFFIXES,
    MOST_THREADS,
)
from edge.model_file import reading_help
from kseg.core.options import MOVED_HELP, Scales, Share, Size, Use, option


@dataclass(frozen=True, kw_only=True)
class PassesOptions:
    """How evaluate and predict run the network over an image."""

    title = "Several passes over an image"

    full_size: bool = option(
        False,
        "predict at the image's own size, in tiles, instead of the run's --max-side",
        basic=True,
    )
    tile: Optional[Size] = option(
        None,
        "largest tile in pixels; implies --full-size; default "
        f"{FULL_SIZE_TILE[0]}x{FULL_SIZE_TILE[1]}, or the input size of a .tflite",
        basic=True,
    )
    flip: bool = option(False, "average with the mirrored image", basic=True)
    scales: Scales = option(
        (1.0,), "average over these scales, such as 0.75,1,1.25", basic=True
    )

    @property
    def tta(self) -> Any:
        """The passes as edge.predict.tta.TTA, which needs NumPy and OpenCV."""
        from edge.predict.tta import TTA

        return TTA(self.full_size, self.flip, self.scales, self.tile)


FOR_FILES = Use(
    lambda config: (
        not hasattr(config, "model")
        or str(config.model).lower().endswith(MODEL_SUFFIXES)
    ),
    "on this model: it is for .tflite and .onnx files",
)


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What runs a .tflite or .onnx file."""

    title = "Engine"

    engine: str = option(
        "auto",
        "inference engine of a .tflite or .onnx file",
        FOR_FILES,
        basic=True,
        choices=ENGINES,
    )
    threads: Optional[int] = option(
        None,
        "number of threads; default: one per processor",
        FOR_FILES,
        basic=True,
        most=MOST_THREADS,
    )


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How a .tflite or .onnx file that kseg did not export is read."""

    title = reading_help.TITLE

    classes: str = option("", reading_help.CLASSES, FOR_FILES, basic=True)
    normalize: str = option("", reading_help.NORMALIZE, FOR_FILES, basic=True)
    order: str = option("", reading_help.ORDER, FOR_FILES)
    layout: str = option("", reading_help.LAYOUT, FOR_FILES)
    output_name: str = option("", reading_help.OUTPUT_NAME, FOR_FILES)
    input_size: Optional[Size] = option(None, reading_help.INPUT_SIZE, FOR_FILES)
    threshold: Optional[Share] = option(
        None, reading_help.THRESHOLD, FOR_FILES, basic=True
    )

    @property
    def reading(self) -> Any:
        """The options as edge.model_file.reading.Reading. Raises InputError."""
        from edge.model_file.reading import reading_of

        return reading_of(self)


@dataclass(frozen=True, kw_only=True)
class ObjectOptions:
    """Which of the objects that a network finds are kept."""

    title = "Objects (models of the tasks instance and detection)"

    score: Optional[Share] = option(
        None, "least score of an object, 0 to 1; default: the model's own", basic=True
    )
    nms: Optional[Share] = option(
        None,
        "of boxes of a class that overlap more, as intersection over union, the best "
        "remains; default: the model's own",
    )
    max_objects: Optional[int] = option(
        None, "most objects in an image; default: the model's own", most=10_000
    )


@dataclass(frozen=True, kw_only=True)
class SegmentsOptions:
    """The number of segments of a grouping."""

    title = "Grouping (models named grouping:KIND)"

    segments: Optional[int] = option(
        None, "largest number of segments, 2 to 254; default 100", basic=True
    )


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """The part of the data that is evaluated."""

    title = "Data"

    split: str = option("val", "train, val or test", basic=True)


@dataclass(frozen=True, kw_only=True)
class MovedDataOptions:
    """The data of a run."""

    title = "Data"

    data: str = option("", MOVED_HELP, basic=True)

"""The options of `kseg prelabel`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from kseg.core.model_options import (
    EngineOptions,
    ObjectOptions,
    PassesOptions,
    ReadingOptions,
)
from kseg.core.options import JSON_HELP, Output, option, positional

WRITTEN_FORMATS = ("coco", "cvat", "labelme", "yolo")


@dataclass(frozen=True, kw_only=True)
class PolygonOptions:
    """How the polygons of masks are made."""

    title = "Polygons"

    tolerance: float = option(
        1.0, "pixels that a polygon may be away from the edge of its mask", basic=True
    )
    least_area: Optional[float] = option(
        None,
        "pixels of the smallest region, object or hole; default: 0.02 %% of the image",
        basic=True,
        zero=True,
    )


@dataclass(frozen=True)
class PrelabelConfig(
    ReadingOptions, EngineOptions, ObjectOptions, PassesOptions, PolygonOptions
):
    """Options of `kseg prelabel`."""

    model: str = positional(
        "run folder, .keras, .tflite or .onnx file, or several with commas"
    )
    dir: str = positional("folder of images, such as that of kseg live --capture")
    format: str = option(
        "coco",
        "format of the files",
        basic=True,
        choices=WRITTEN_FORMATS,
        group="Output",
    )
    output: str = option(
        "prelabels", "folder to write, which must be new", basic=True, group="Output"
    )
    json: Output = option("", JSON_HELP, basic=True, group="Output")

    @property
    def segments(self) -> None:
        """Groupings, which have segments, give no classes."""
        return None

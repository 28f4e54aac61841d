"""The engine of a Keras model: KerasEngine, or that of its kind of decoder."""

from __future__ import annotations

from typing import Any, Callable

from edge.engines.base import Engine
from edge.model_file.info import ModelInfo
from kseg.data.proposals import propose, remembered

AT_ONCE = 64  # crops of R-CNN in validation


def fast_engine(model: Any, info: ModelInfo, validating: bool) -> Engine:
    from kseg.models.proposal_engines import FastEngine

    return FastEngine(model, remembered if validating else propose)


def crop_engine(model: Any, info: ModelInfo, validating: bool) -> Engine:
    from kseg.models.proposal_engines import CropEngine

    side, context = info.decoder["side"], info.decoder["context"]
    at_once = AT_ONCE if validating else 1
    return CropEngine(
        model, remembered if validating else propose, side, context, at_once
    )


# Kind of decoder -> function of a network, its description, and whether it is for
# validation during training: what is slow and changes no result is then left out.
ENGINES: dict[str, Callable[[Any, ModelInfo, bool], Engine]] = {
    "fast_rcnn": fast_engine,
    "rcnn": crop_engine,
}


def keras_engine(model: Any, info: ModelInfo, validating: bool = False) -> Engine:
    """The engine of a Keras model of any size of images."""
    from kseg.models.keras_engine import KerasEngine

    made = ENGINES.get(info.decoder.get("kind", ""))
    return made(model, info, validating) if made else KerasEngine(model)

"""The predictors of each task; a new task adds an entry to these dicts.

A task without an entry in the last two dicts has no test-time augmentation or --steady.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Tuple

from edge.engines.base import Engine
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.detection import DetectionPredictor
from edge.predict.instances import InstancePredictor
from edge.predict.listed_boxes import ListedBoxPredictor
from edge.predict.maps import map_predictor
from edge.predict.proposals import ProposalPredictor
from edge.predict.region_files import (
    RegionFileDetectionPredictor,
    RegionFileInstancePredictor,
)
from edge.predict.regions import RegionDetectionPredictor, RegionInstancePredictor
from edge.predict.semantic import SemanticPredictor
from edge.predict.smoothing import VoteSmoother
from edge.predict.ssd import ssd_predictor
from edge.predict.tta import TTA, SemanticTTA
from edge.predict.yolo import yolo_predictor

PREDICTORS: dict[str, type[Predictor]] = {
    "semantic": SemanticPredictor,
    "detection": DetectionPredictor,
    "instance": InstancePredictor,
}

# Kind of decoder -> task -> its predictor, for outputs that differ from those of the
# task's usual network; `ModelInfo.decoder` names it as "kind".
KINDS: dict[str, dict[str, type[Predictor]]] = {
    "boxes": {"detection": ListedBoxPredictor},
    "regions": {
        "detection": RegionDetectionPredictor,
        "instance": RegionInstancePredictor,
    },
    "region_files": {
        "detection": RegionFileDetectionPredictor,
        "instance": RegionFileInstancePredictor,
    },
    "fast_rcnn": {"detection": ProposalPredictor},
    "rcnn": {"detection": ProposalPredictor},
}

# Files whose metadata give no roles of outputs are tried with these, in this order:
# (engine, metadata) -> a predictor, or None for outputs of another kind.
RECOGNIZERS: Tuple[Callable[[Engine, ModelInfo], Optional[Predictor]], ...] = (
    ssd_predictor,
    yolo_predictor,
    map_predictor,
)

# (predictor, augmentation) -> a predictor with test-time augmentation.
TTA_PREDICTORS: dict[str, Callable[[Any, TTA], Predictor]] = {"semantic": SemanticTTA}

# Number of frames of --steady -> a function that smooths consecutive results.
SMOOTHERS: dict[str, Callable[[int], Callable[[Any], Any]]] = {"semantic": VoteSmoother}

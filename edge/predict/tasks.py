"""The predictors of each task; a new task adds an entry to these dicts.

A task without an entry in the last two has no test-time augmentation or --steady.
"""

from __future__ import annotations

from typing import Any, Callable

from edge.predict.base import Predictor
from edge.predict.semantic import SemanticPredictor
from edge.predict.smoothing import VoteSmoother
from edge.predict.tta import TTA, SemanticTTA

PREDICTORS: dict[str, type[Predictor]] = {"semantic": SemanticPredictor}

# (predictor, augmentation) -> a predictor with test-time augmentation.
TTA_PREDICTORS: dict[str, Callable[[Any, TTA], Predictor]] = {"semantic": SemanticTTA}

# Number of frames of --steady -> a function that smooths consecutive results.
SMOOTHERS: dict[str, Callable[[int], Callable[[Any], Any]]] = {"semantic": VoteSmoother}

"""What each task brings to prediction; a task adds an entry to these dicts.

A task without an entry among the last two refuses passes and --steady in one line.
"""

from __future__ import annotations

from typing import Any, Callable

from edge.predict.base import Predictor
from edge.predict.semantic import SemanticPredictor
from edge.predict.smoothing import VoteSmoother
from edge.predict.tta import TTA, SemanticTTA

PREDICTORS: dict[str, type[Predictor]] = {"semantic": SemanticPredictor}

# A predictor and the passes asked for -> one that makes them.
PASSES: dict[str, Callable[[Any, TTA], Predictor]] = {"semantic": SemanticTTA}

# How many frames --steady takes together -> what smooths one result after the other.
SMOOTHERS: dict[str, Callable[[int], Callable[[Any], Any]]] = {"semantic": VoteSmoother}

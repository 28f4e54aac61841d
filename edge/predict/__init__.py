"""Prediction: from an image to a result by resizing, tiling and decoding."""

from edge.predict.open import open_predictor
from edge.predict.tasks import PREDICTORS, SMOOTHERS, TTA_PREDICTORS

__all__ = ["PREDICTORS", "SMOOTHERS", "TTA_PREDICTORS", "open_predictor"]

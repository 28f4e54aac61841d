"""From an image to a result: resizing, tiling, decoding."""

from edge.predict.open import open_predictor
from edge.predict.tasks import PASSES, PREDICTORS, SMOOTHERS

__all__ = ["PASSES", "PREDICTORS", "SMOOTHERS", "open_predictor"]

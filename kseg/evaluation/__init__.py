"""Opens models, predicts the images of a split and computes metrics."""

from kseg.evaluation.tasks import EVALUATORS

__all__ = ["EVALUATORS"]

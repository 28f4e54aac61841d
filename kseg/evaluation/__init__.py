"""Opens models, predicts a split, counts."""

from kseg.evaluation.tasks import EVALUATORS

__all__ = ["EVALUATORS"]

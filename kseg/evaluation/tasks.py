"""The evaluator of each task. A new task adds an entry."""

from __future__ import annotations

from typing import Callable

from kseg.data.sample import Dataset
from kseg.evaluation.loop import Evaluator
from kseg.evaluation.objects import detection_evaluator, instance_evaluator
from kseg.evaluation.semantic import SemanticEvaluator


def semantic(data: Dataset, fast: bool = False) -> SemanticEvaluator:
    """See `SemanticEvaluator`."""
    return SemanticEvaluator(data.class_names, fast)


# (data, fast) -> an evaluator; with `fast` it computes the headline metric only.
EVALUATORS: dict[str, Callable[..., Evaluator]] = {
    "semantic": semantic,
    "instance": instance_evaluator,
    "detection": detection_evaluator,
}

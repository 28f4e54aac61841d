"""Every task has an entry in the dict of each package; no code branches on the task."""

import ast
from pathlib import Path

import pytest

from edge.display import tasks as display
from edge.predict import PREDICTORS
from kseg.data.loading import BATCHES
from kseg.data.open import OPENERS
from kseg.deploy.heads import HEADS
from kseg.deploy.tflite_metadata import METADATA
from kseg.evaluation import EVALUATORS
from kseg.models import MODELS
from kseg.reporting.tasks import FIGURES, SECTIONS
from kseg.training.setup import LOSSES, METRICS

ROOT = Path(__file__).parents[2]
SOURCES = [p for x in ("edge", "kseg") for p in sorted((ROOT / x).rglob("*.py"))]
KNOWN = {
    "PREDICTORS": PREDICTORS,
    "DRAW": display.DRAW,
    "SUMMARIES": display.SUMMARIES,
    "FRAME_FILES": display.FRAME_FILES,
    "OPENERS": OPENERS,
    "BATCHES": BATCHES,
    "LOSSES": LOSSES,
    "METRICS": METRICS,
    "EVALUATORS": EVALUATORS,
    "HEADS": HEADS,
    "METADATA": METADATA,
    "SECTIONS": SECTIONS,
    "FIGURES": FIGURES,
}


@pytest.mark.parametrize("name", KNOWN)
def test_every_dict_has_an_entry_for_each_task(name):
    tasks = set(PREDICTORS) | {t for builder in MODELS.values() for t in builder.tasks}
    assert set(KNOWN[name]) == tasks


def test_no_code_compares_the_task():
    """No comparison of a variable or attribute `task` with a string."""

    def compares(node: ast.AST) -> bool:
        if not isinstance(node, ast.Compare):
            return False
        parts = [node.left, *node.comparators]
        words = any(
            isinstance(p, ast.Constant) and isinstance(p.value, str) for p in parts
        )
        names = (getattr(p, "attr", getattr(p, "id", "")) for p in parts)
        return words and "task" in names

    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if compares(node)
    }
    assert not found

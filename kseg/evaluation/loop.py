"""The one loop over a split: predicts every image, and counts."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Protocol, Sequence

from edge.core.errors import InputError
from edge.predict.base import Predictor
from edge.predict.results import Result
from kseg.core.progress import bar
from kseg.data.sample import Sample, Split, Target

REFERENCE, MIXED = "keras", "mixed"  # keys of parity.json
OLD_MIXED = "mended"  # the key and file name that earlier versions wrote for MIXED


class Evaluator(Protocol):
    """Counts results against their targets.

    `headline` is the key of `figures` that decides, larger being better.
    `needs_confidence` asks predictors for it.
    """

    headline: str

    @property
    def needs_confidence(self) -> bool: ...

    def add(self, target: Target, result: Result) -> None:
        """Counts one image. Raises InputError for a result that cannot be counted."""
        ...

    def figures(self) -> dict[str, Any]:
        """The content of metrics.json; None for what cannot be said, never nan."""
        ...

    def value(self) -> float:
        """The headline. Raises InputError where nothing is labelled."""
        ...

    def agreement(self, expected: Result, found: Result) -> tuple[int, int]:
        """How much of two results of one image is equal, of how much."""
        ...


class Observer(Protocol):
    """Sees every image once it is counted."""

    def add(self, index: int, sample: Sample, result: Result) -> None: ...


@dataclass
class Comparison:
    """What one predictor reached over a split, and how much was as the reference's."""

    evaluator: Evaluator
    equal: int = 0
    total: int = 0

    @property
    def agreement(self) -> float:
        """The share that is equal, in [0, 1]."""
        return self.equal / max(1, self.total)


def samples(split: Split, text: str) -> Iterator[tuple[int, Sample]]:
    """Every labelled image of a split, with a bar."""
    for index in bar(range(len(split.sizes)), text):
        yield index, split.read(index)


@contextmanager
def naming(split: Split, index: int) -> Iterator[None]:
    """Puts the image's name before whatever is refused inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{split.names[index]}: {error}") from None


def evaluate(
    predictor: Predictor,
    split: Split,
    evaluator: Evaluator,
    observers: Sequence[Observer] = (),
) -> Evaluator:
    """Predicts every image of a split and counts it. Returns the evaluator.

    Raises InputError that names the image, for one that the network cannot take and for
    a result that cannot be counted.
    """
    for index, sample in samples(split, "evaluating"):
        with naming(split, index):
            result = predictor.predict(
                sample.image, confidence=evaluator.needs_confidence
            )
            evaluator.add(sample.target, result)
        for observer in observers:
            observer.add(index, sample, result)
    return evaluator


def compare(
    reference: Predictor,
    others: Mapping[str, Predictor],
    split: Split,
    new: Callable[[], Evaluator],
    text: str = "comparing",
) -> dict[str, Comparison]:
    """Every predictor over a split, image by image: name -> what it reached.

    REFERENCE names the reference's own. Raises InputError as `evaluate` does.
    """
    found = {name: Comparison(new()) for name in (REFERENCE, *others)}
    wanted = found[REFERENCE].evaluator.needs_confidence
    for index, sample in samples(split, text):
        with naming(split, index):
            expected = reference.predict(sample.image, confidence=wanted)
            for name, each in found.items():
                result = expected
                if name != REFERENCE:
                    result = others[name].predict(sample.image, confidence=wanted)
                each.evaluator.add(sample.target, result)
                equal, total = each.evaluator.agreement(expected, result)
                each.equal, each.total = each.equal + equal, each.total + total
    return found

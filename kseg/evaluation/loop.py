"""The loop over a split: predicts every image and updates the evaluators."""

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
    """Compares results with their targets and computes metrics.

    `headline` is the key of `metrics()` that decides which model is better; larger is
    better. With `needs_confidence` the predictor also computes the confidence.
    `decoder` replaces parameters of the model's decoding (`ModelInfo.decoder`) while it
    is evaluated; it is empty if none is replaced.
    """

    headline: str
    decoder: dict[str, Any]

    @property
    def needs_confidence(self) -> bool: ...

    def add(self, target: Target, result: Result) -> None:
        """Adds one image. Raises InputError for a result that does not fit the data."""
        ...

    def metrics(self) -> dict[str, Any]:
        """Returns the content of metrics.json; undefined values are None, not nan."""
        ...

    def value(self) -> float:
        """Returns the headline metric. Raises InputError if nothing is labelled."""
        ...

    def agreement(self, expected: Result, found: Result) -> tuple[int, int]:
        """Compares two results of one image: number of equal elements, and of all."""
        ...


class Observer(Protocol):
    """Receives every image after the evaluator has added it."""

    def add(self, index: int, sample: Sample, result: Result) -> None: ...


@dataclass
class Comparison:
    """The metrics of one predictor over a split, and its agreement with a reference."""

    evaluator: Evaluator
    equal: int = 0
    total: int = 0

    @property
    def agreement(self) -> float:
        """The fraction of equal elements, in [0, 1]."""
        return self.equal / max(1, self.total)


def samples(split: Split, text: str) -> Iterator[tuple[int, Sample]]:
    """Yields every labelled image of a split, with a progress bar."""
    for index in bar(range(len(split.sizes)), text):
        yield index, split.read(index)


@contextmanager
def errors_name_image(split: Split, index: int) -> Iterator[None]:
    """Puts the name of the image before the message of an InputError raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{split.names[index]}: {error}") from None


def decoding_for(evaluator: Evaluator, predictor: Predictor) -> Predictor:
    """The predictor with the decoding that the evaluator requests."""
    return predictor.with_decoder(evaluator.decoder) if evaluator.decoder else predictor


def evaluate(
    predictor: Predictor,
    split: Split,
    evaluator: Evaluator,
    observers: Sequence[Observer] = (),
) -> Evaluator:
    """Predicts every image of a split and adds it to the evaluator, which is returned.

    Raises an InputError that names the image if the network does not accept it or the
    result does not fit the data.
    """
    predictor = decoding_for(evaluator, predictor)
    for index, sample in samples(split, "evaluating"):
        with errors_name_image(split, index):
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
    """Evaluates several predictors over a split, image by image.

    `new` makes an evaluator. Returns a Comparison for each name of `others`, and for
    REFERENCE that of the reference itself. Raises InputError as `evaluate` does.
    """
    comparisons = {name: Comparison(new()) for name in (REFERENCE, *others)}
    evaluator = comparisons[REFERENCE].evaluator
    confidence = evaluator.needs_confidence
    reference = decoding_for(evaluator, reference)
    others = {name: decoding_for(evaluator, each) for name, each in others.items()}
    for index, sample in samples(split, text):
        with errors_name_image(split, index):
            expected = reference.predict(sample.image, confidence=confidence)
            for name, each in comparisons.items():
                result = expected
                if name != REFERENCE:
                    result = others[name].predict(sample.image, confidence=confidence)
                each.evaluator.add(sample.target, result)
                equal, total = each.evaluator.agreement(expected, result)
                each.equal, each.total = each.equal + equal, each.total + total
    return comparisons

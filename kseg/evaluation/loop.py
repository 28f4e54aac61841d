"""The loop over a split: predicts every image and updates the evaluators."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Callable, Iterator, Mapping, Optional, Protocol, Sequence

from edge.core.errors import InputError
from edge.predict.base import Predictor
from edge.predict.results import Result
from kseg.core.progress import shown
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

    def headlines(self) -> dict[str, float]:
        """Returns the headline metric and the values that are shown beside it."""
        ...

    def agreement(self, expected: Result, found: Result) -> tuple[int, int]:
        """Compares two results of one image: number of equal elements, and of all."""
        ...

    def differences(self, expected: Result, found: Result) -> dict[str, list[float]]:
        """Compares two results of one image: by name, a value of each common element.

        A comparison averages them over the images. Empty if nothing is compared.
        """
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
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, target: Target, expected: Result, result: Result) -> None:
        """Adds one image: its target, the reference's result and the predictor's."""
        self.evaluator.add(target, result)
        equal, total = self.evaluator.agreement(expected, result)
        self.equal, self.total = self.equal + equal, self.total + total
        for name, values in self.evaluator.differences(expected, result).items():
            self.values.setdefault(name, []).extend(values)

    @property
    def agreement(self) -> float:
        """The fraction of equal elements, in [0, 1]; 1 if there are none at all."""
        return self.equal / self.total if self.total else 1.0

    def differences(self) -> dict[str, Optional[float]]:
        """The mean of each kind of the evaluator's `differences`; None without any."""
        return {name: fmean(x) if x else None for name, x in self.values.items()}


def samples(split: Split, text: str) -> Iterator[tuple[int, Sample]]:
    """Yields every labelled image of a split, with a progress bar."""
    count = len(split.sizes)
    for index in shown(range(count), text, count):
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
    observers: Sequence[Observer] = (),
) -> dict[str, Comparison]:
    """Evaluates several predictors over a split, image by image.

    `new` makes an evaluator; `observers` receive the results of the reference. Returns
    a Comparison for each name of `others`, and for REFERENCE that of the reference
    itself. Raises InputError as `evaluate` does.
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
                each.add(sample.target, expected, result)
        for observer in observers:
            observer.add(index, sample, expected)
    return comparisons

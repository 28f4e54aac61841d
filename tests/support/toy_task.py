"""A task with two outputs, defined by this file and entries of the dicts.

It predicts the class of each pixel and the share of the image that each class has. A
test that uses it registers it by `registered()`, which removes the entries at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.core.errors import InputError
from edge.core.images import write_mask
from edge.display.draw import draw_semantic
from edge.predict.base import Predictor
from edge.predict.resizing import crop_padding
from edge.predict.results import SemanticMap
from edge.predict.semantic import scores_to_labels

TASK = "toy"
ROLES = ("scores", "shares")


@dataclass(frozen=True)
class ToyResult:
    """Class ids (H, W) uint8, and shares (C,) float32."""

    labels: np.ndarray
    shares: np.ndarray


class ToyPredictor(Predictor[ToyResult]):
    """Selects both outputs by their roles."""

    def __init__(self, engine: Any, info: Any, stages: Any = None):
        super().__init__(engine, info, stages)
        roles = info.outputs or tuple(spec.name for spec in engine.outputs)
        if sorted(roles) != sorted(ROLES):
            raise InputError(f"its outputs are {roles}, not {ROLES}")
        self.indices = {role: index for index, role in enumerate(roles)}

    def decode(self, outputs: Any, placement: Any, confidence: bool) -> ToyResult:
        with self.stages.stage("postprocess"):
            scores = outputs[self.indices["scores"]].dequantize()
            shares = outputs[self.indices["shares"]].dequantize()
            sizes = placement.input_size, placement.content_size, placement.image_size
            scores, whole = crop_padding(scores, *sizes)
            height, width = placement.image_size
            return ToyResult(scores_to_labels(scores, whole)[:height, :width], shares)


def draw(frame: Any, result: ToyResult, info: Any, text: str, view: Any) -> np.ndarray:
    return draw_semantic(frame, SemanticMap(result.labels), info, text, view)


def summary(result: ToyResult, info: Any) -> dict[str, Any]:
    shares = zip(info.class_names, result.shares, strict=True)
    return {"predicted_shares": {name: round(float(s), 4) for name, s in shares}}


def write_file(
    folder: Path, name: str, result: ToyResult, info: Any, colored: bool = False
) -> None:
    write_mask(folder / f"{name}.png", result.labels)


def network(image: Any, num_classes: int, width: int = 4) -> dict[str, Any]:
    """Two convolutions; scores (B, H, W, C) and shares (B, C)."""
    from keras import layers

    from kseg.models.layers.blocks import conv_bn_relu
    from kseg.models.layers.heads import prepare_input, to_logits

    x = conv_bn_relu(prepare_input(image, 2), width, name="first")
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = conv_bn_relu(x, 2 * width, name="second")
    score = layers.Conv2D(num_classes, 1, name="score")(x)
    scores = to_logits(score, image, 2, "bilinear")
    pooled = layers.GlobalAveragePooling2D(name="mean")(x)
    shares = layers.Dense(
        num_classes, activation="softmax", dtype="float32", name="shares"
    )(pooled)
    return {"scores": scores, "shares": shares}


def open_folder(folder: Path, seed: int) -> Any:
    from kseg.data import folder as folders

    return replace(folders.open_folder(folder, seed), task=TASK)


def loss(config: Any, data: Any, counted: Any = None) -> dict[str, Any]:
    import keras

    from kseg.training.losses.segmentation import SegmentationLoss

    return {
        "scores": SegmentationLoss(config.loss),
        "shares": keras.losses.MeanSquaredError(),
    }


class ToyMetrics:
    """The mean IoU of the scores, with its own name."""

    headline = "toy_iou"
    shown = (headline,)

    def __init__(self, config: Any, data: Any):
        self.num_classes = data.num_classes

    def network_options(self) -> dict[str, Any]:
        return {}

    def decoder(self) -> dict[str, Any]:
        return {}

    def epochs_between(self, steps: int) -> int:
        return 1

    def for_compile(self) -> dict[str, Any]:
        from kseg.evaluation.metrics.keras_metrics import MeanIoU

        return {"scores": [MeanIoU(self.num_classes)], "shares": []}

    def blank_target(self) -> dict[str, np.ndarray]:
        shares = np.zeros((1, self.num_classes), np.float32)
        return {"scores": np.full((1, 1, 1), 255, np.uint8), "shares": shares}

    def validation(self, network: Any, batches: Any, loss: Any) -> Any:
        import keras

        measured = keras.Model(network.inputs, network.output)
        measured.compile(loss=loss, metrics=self.for_compile())

        def validate() -> dict[str, float]:
            found = measured.evaluate(batches, verbose=0, return_dict=True)
            return {"loss": found["loss"], self.headline: found["scores_mean_iou"]}

        return validate


class ToyBatches:
    """The batches of the semantic task, with mask and shares as targets."""

    def __init__(self, config: Any, data: Any, *rest: Any):
        from kseg.data.loading.batches import BatchLoader

        self.inner, self.classes = BatchLoader(config, data, *rest), data.num_classes
        self.readers, self.size = self.inner.readers, self.inner.size

    def with_shares(self, image: Any, mask: Any) -> tuple[Any, dict[str, Any]]:
        import tensorflow as tf

        shares = tf.reduce_mean(tf.one_hot(mask, self.classes), axis=(1, 2))
        return image, {"scores": mask, "shares": shares}

    def training(self, start_step: int = 0) -> Any:
        return self.inner.training(start_step).map(self.with_shares)

    def validation(self) -> Any:
        return self.inner.validation().map(self.with_shares)


class ToyEvaluator:
    """Mean IoU of the labels, and the mean error of the shares."""

    headline, needs_confidence = "toy_iou", False
    decoder: dict[str, Any] = {}  # nothing of the decoding is replaced

    def __init__(self, data: Any, fast: bool = False):
        from kseg.evaluation.semantic import SemanticEvaluator

        self.inner, self.errors = SemanticEvaluator(data.class_names, fast=True), []

    def add(self, target: np.ndarray, result: ToyResult) -> None:
        self.inner.add(target, SemanticMap(result.labels))
        count = len(self.inner.names)
        true = np.bincount(target[target != 255], minlength=count) / target.size
        self.errors.append(float(np.abs(true - result.shares).mean()))

    def metrics(self) -> dict[str, Any]:
        error = float(np.mean(self.errors))
        return {"toy_iou": self.value(), "share_error": error}

    def value(self) -> float:
        return self.inner.value()

    def headlines(self) -> dict[str, float]:
        return {"toy_iou": self.value()}

    def differences(
        self, expected: ToyResult, found: ToyResult
    ) -> dict[str, list[float]]:
        return {}

    def agreement(self, expected: ToyResult, found: ToyResult) -> tuple[int, int]:
        equal = expected.labels == found.labels
        return int(equal.sum()), equal.size


class ToySection:
    """The section of the report: the figures in a sentence."""

    def __init__(self, data: Any, split: str, evaluator: ToyEvaluator):
        self.data, self.split, self.evaluator = data, split, evaluator
        self.seen = 0

    def add(self, index: int, sample: Any, result: ToyResult) -> None:
        self.seen += 1

    @property
    def metrics(self) -> dict[str, Any]:
        return self.evaluator.metrics()

    def all_metrics(self) -> dict[str, Any]:
        return {"split": self.split, **self.metrics}

    def summary(self) -> str:
        return ""

    def html(self) -> str:
        from markupsafe import Markup

        return Markup("<p>{} images were seen.</p>").format(self.seen)


@contextmanager
def registered() -> Iterator[None]:
    """Registers the task in every dict during the block."""
    from edge.display import tasks as display
    from edge.predict import PREDICTORS
    from kseg.data import open as opening
    from kseg.data.loading import BATCHES
    from kseg.deploy.heads import HEADS
    from kseg.evaluation import EVALUATORS
    from kseg.models import MODELS, Builder
    from kseg.reporting.tasks import FIGURES, SECTIONS
    from kseg.training.setup import LOSSES, METRICS

    entries = [
        (PREDICTORS, ToyPredictor),
        (display.DRAW, draw),
        (display.SUMMARIES, summary),
        (display.FRAME_FILES, write_file),
        (opening.OPENERS, open_folder),
        (BATCHES, ToyBatches),
        (LOSSES, loss),
        (METRICS, ToyMetrics),
        (EVALUATORS, ToyEvaluator),
        (HEADS, {"raw": lambda outputs: outputs}),
        (SECTIONS, ToySection),
        (FIGURES, lambda *_: ()),
        (MODELS, Builder(network, (TASK,))),
    ]
    for known, entry in entries:
        known[TASK] = entry
    try:
        yield
    finally:
        for known, _ in entries:
            del known[TASK]

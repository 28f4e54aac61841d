"""The last stages of R-CNN's training: linear classifiers, then boxes.

The network is fine-tuned first, as others are trained. Its features then train a
linear classifier for each class, once with random negatives and once more with those
that it got wrong, and a regression for the boxes of each class (Girshick et al., CVPR
2014).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional

import numpy as np

from edge.model_file.metadata import info_of
from edge.predict.boxes import iou_matrix
from edge.predict.proposals import HINGE
from edge.predict.region_boxes import Warper, encode_moves
from kseg.core.configs import TrainConfig
from kseg.core.progress import bar, evenly_spaced
from kseg.core.runs import BEST
from kseg.data.sample import Dataset, Objects, Split
from kseg.training.detection.linear import Linear, hinge_classifiers, ridge

log = logging.getLogger(__name__)

IMAGES = 400  # at most, of the training split
NEGATIVE = 0.3  # boxes below this IoU with every object of a class are its negatives
NEAR = 0.6  # the least IoU of a box that the regression learns to move
RANDOM, HARD = 20, 50  # negatives of an image: chosen at random; of the largest margins
MOVED = 20  # boxes of an image for the regression
WRONG = -1.0  # the margin of a negative above which it counts as wrong
AT_ONCE = 64  # crops in a pass
SCORE = 0.5  # of an object: the margin is positive


class Boxes(NamedTuple):
    """The boxes of an image: features of the last layer, and the pooled ones.

    `labels` (N, K) are 1 for an object's own class, -1 for a box below NEGATIVE with
    every object of a class, else 0. `owner` (N,) is the object with the largest
    overlap, of the IoU `overlap` (N,). The first boxes are the `objects` themselves.
    """

    boxes: np.ndarray
    last: np.ndarray
    pooled: np.ndarray
    labels: np.ndarray
    owner: np.ndarray
    overlap: np.ndarray
    truth: np.ndarray
    class_ids: np.ndarray


@dataclass
class Examples:
    """The boxes that the classifiers and the regressions learn from."""

    features: list[np.ndarray] = field(default_factory=list)
    labels: list[np.ndarray] = field(default_factory=list)
    pooled: list[np.ndarray] = field(default_factory=list)
    moves: list[np.ndarray] = field(default_factory=list)
    classes: list[np.ndarray] = field(default_factory=list)

    def add(self, found: Boxes, rows: np.ndarray) -> None:
        """Adds rows of an image for the classifiers."""
        self.features.append(found.last[rows])
        self.labels.append(found.labels[rows])

    def add_moves(self, found: Boxes, rows: np.ndarray) -> None:
        """Adds rows of an image for the regressions."""
        owner = found.owner[rows]
        self.pooled.append(found.pooled[rows])
        self.moves.append(encode_moves(found.truth[owner], found.boxes[rows]))
        self.classes.append(found.class_ids[owner])

    def classifiers(self) -> Linear:
        return hinge_classifiers(
            np.concatenate(self.features), np.concatenate(self.labels)
        )


def finish_rcnn(config: TrainConfig, data: Dataset, folder: Path) -> None:
    """Trains the classifiers and the boxes of the best network of a run, and saves it.

    Does nothing if the run has them already.
    """
    from kseg.models.saving import load_model, save_model

    path = folder / BEST
    info = info_of(path)
    if info.decoder.get("classifier") == HINGE:
        return
    model = load_model(path)
    reader = BoxReader(config, data, model)
    random = np.random.default_rng(config.seed)
    examples = Examples()
    for found in reader.images("features of proposals"):
        add_random(examples, found, random)
    margins = examples.classifiers()
    count = sum(map(len, examples.labels))
    for found in reader.images("difficult negatives"):
        add_hard(examples, found, margins)
    margins = examples.classifiers()
    set_layer(model, "score_margin", margins)
    set_layer(model, "score_box", moves_of_classes(examples, data.num_classes))
    total = sum(map(len, examples.labels))
    log.info(
        f"linear classifiers of {total} boxes, of which {total - count} are negatives "
        f"that the first ones got wrong; boxes from {sum(map(len, examples.moves))}"
    )
    decoder = {**info.decoder, "classifier": HINGE, "score": SCORE}
    save_model(model, path, replace(info, decoder=decoder))


def add_random(examples: Examples, found: Boxes, random: np.random.Generator) -> None:
    """Adds the objects, RANDOM negatives of any class, and boxes for the regression."""
    objects = np.arange(len(found.truth))
    others = np.flatnonzero((found.labels[len(objects) :] < 0).all(axis=1))
    chosen = random.permutation(others + len(objects))[:RANDOM]
    examples.add(found, np.concatenate([objects, chosen]))
    near = np.flatnonzero(found.overlap >= NEAR)
    examples.add_moves(found, random.permutation(near)[:MOVED])


def add_hard(examples: Examples, found: Boxes, margins: Linear) -> None:
    """Adds the HARD proposals whose margins are the furthest over WRONG."""
    worst = np.where(found.labels < 0, margins(found.last), -np.inf)
    worst = worst[len(found.truth) :].max(axis=1, initial=-np.inf)
    order = np.argsort(-worst, kind="stable")[:HARD]
    examples.add(found, order[worst[order] > WRONG] + len(found.truth))


def moves_of_classes(examples: Examples, num_classes: int) -> Linear:
    """The regression of each class, with zeros for the background before them."""
    pooled, moves = np.concatenate(examples.pooled), np.concatenate(examples.moves)
    classes = np.concatenate(examples.classes)
    fits = [
        ridge(pooled[classes == k], moves[classes == k]) for k in range(num_classes)
    ]
    kernel = np.column_stack(
        [np.zeros((pooled.shape[1], 4)), *(f.kernel for f in fits)]
    )
    return Linear(kernel, np.concatenate([np.zeros(4), *(f.bias for f in fits)]))


def set_layer(model: Any, name: str, values: Linear) -> None:
    """Sets the weights of a dense layer."""
    model.get_layer(name).set_weights([values.kernel, values.bias])


class BoxReader:
    """Computes the features of the proposals of images of the training split."""

    def __init__(self, config: TrainConfig, data: Dataset, model: Any):
        import keras

        from kseg.data.loading.objects import ObjectReader
        from kseg.data.loading.proposal_targets import warp_of
        from kseg.data.proposals import ProposalSplit
        from kseg.models.detection.rcnn import FEATURES, POOLED
        from kseg.models.proposal_engines import as_numpy, traced

        split: Split = ProposalSplit(data.split("train"))
        self.indices = evenly_spaced(len(split.sizes), IMAGES)
        self.reader = ObjectReader(split, config.max_side, config.memory_share)
        self.side, self.context = warp_of(config)
        self.num_classes = data.num_classes
        layers = [model.get_layer(name).output for name in (FEATURES, POOLED)]
        shape = (None, self.side, self.side, data.channels)
        network = traced(keras.Model(model.input, layers), [shape])
        self.network = lambda x: [as_numpy(y) for y in network(x)]

    def images(self, text: str) -> Iterator[Boxes]:
        """The boxes of each image, with a progress bar; without crowds."""
        for index in bar(self.indices, text):
            image, objects = self.reader.read(index)
            found = self.boxes_of(image, objects)
            if found:
                yield found

    def boxes_of(self, image: np.ndarray, objects: Objects) -> Optional[Boxes]:
        """The objects and then the proposals of an image; None without any."""
        assert objects.proposals is not None
        real = ~objects.crowd
        truth, class_ids = objects.boxes[real], objects.class_ids[real]
        boxes = np.concatenate([truth, objects.proposals])
        if not len(boxes):
            return None
        crops = Warper(image, self.side, self.context).crops(boxes).astype(np.float32)
        parts = [
            self.network(crops[start : start + AT_ONCE])
            for start in range(0, len(crops), AT_ONCE)
        ]
        last, pooled = (np.concatenate(x) for x in zip(*parts, strict=True))
        overlaps = iou_matrix(boxes, truth)
        return Boxes(
            boxes,
            last,
            pooled,
            labels_of(overlaps, class_ids, self.num_classes),
            overlaps.argmax(axis=1) if len(truth) else np.zeros(len(boxes), int),
            overlaps.max(axis=1, initial=0),
            truth,
            class_ids,
        )


def labels_of(
    overlaps: np.ndarray, class_ids: np.ndarray, num_classes: int
) -> np.ndarray:
    """The IoU (N, M) of boxes with objects, which are the first M -> labels (N, K).

    >>> overlaps = np.float32([[1, 0.4], [0.4, 1], [0.1, 0.5]])
    >>> labels_of(overlaps, np.int32([0, 1]), 2).tolist()
    [[1, 0], [0, 1], [-1, 0]]
    """
    labels = np.zeros((len(overlaps), num_classes), np.int8)
    for k in range(num_classes):
        best = overlaps[:, class_ids == k].max(axis=1, initial=0)
        labels[best < NEGATIVE, k] = -1
    labels[np.arange(len(class_ids)), class_ids] = 1
    return labels

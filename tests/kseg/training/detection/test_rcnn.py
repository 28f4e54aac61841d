"""The last stages of R-CNN's training."""

import numpy as np
import pytest

import kseg
from edge.model_file.metadata import info_of
from kseg.core.runs import BEST
from kseg.data import shapes
from kseg.models.saving import load_model
from kseg.training.detection import rcnn
from kseg.training.detection.linear import Linear
from kseg.training.detection.rcnn import Boxes, Examples

SMALL = {"width": 4, "fc_width": 16, "size": (64, 64), "batch_size": 2, "epochs": 1}


def boxes_of_image():
    """Two objects of the classes 0 and 1, and four proposals."""
    labels = np.int8([[1, -1], [-1, 1], [0, -1], [-1, -1], [-1, -1], [-1, 0]])
    return Boxes(
        boxes=np.float32([[0, 0, 10, 10]] * 6),
        last=np.arange(6, dtype=np.float32)[:, None],
        pooled=np.arange(6, dtype=np.float32)[:, None],
        labels=labels,
        owner=np.int64([0, 1, 0, 0, 0, 1]),
        overlap=np.float32([1, 1, 0.5, 0.1, 0.2, 0.7]),
        truth=np.float32([[0, 0, 10, 10], [0, 0, 20, 10]]),
        class_ids=np.int32([0, 1]),
    )


def test_the_first_examples_are_objects_and_boxes_far_from_all():
    examples = Examples()
    rcnn.add_random(examples, boxes_of_image(), np.random.default_rng(0))
    (features,) = examples.features
    assert features[:2, 0].tolist() == [0, 1]
    assert sorted(features[2:, 0].tolist()) == [3, 4]
    # Boxes with an IoU of 0.6 or more learn to move: the second object is twice as
    # wide as its boxes, so dw is 5 ln 2.
    (classes,), (moves,) = examples.classes, examples.moves
    assert sorted(classes.tolist()) == [0, 1, 1]
    assert moves[:, 2] == pytest.approx(np.where(classes == 1, 3.4657, 0), abs=1e-3)


def test_negatives_with_large_margins_are_added():
    """The margin is the row minus 4.5 for both classes: only 4 and 5 are over -1."""
    examples = Examples()
    margins = Linear(np.ones((1, 2)), np.full(2, -4.5))
    rcnn.add_hard(examples, boxes_of_image(), margins)
    assert examples.features[0][:, 0].tolist() == [5, 4]


def test_the_background_is_not_moved():
    examples = Examples()
    found = boxes_of_image()
    examples.add_moves(found, np.arange(2))
    kernel, bias = rcnn.moves_of_classes(examples, 3)
    assert kernel.shape == (1, 16) and bias[:4].tolist() == [0] * 4
    assert bias[8:12] == pytest.approx([5, 0, 3.466, 0], abs=1e-3)  # class 1
    assert not bias[12:].any()  # a class without boxes


@pytest.mark.slow
def test_a_training_ends_with_linear_classifiers(monkeypatch, tmp_path):
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shapes, "OBJECT_SCENES", {"train": 4, "val": 2, "test": 1})
    run = kseg.train("shapes", model="rcnn", output=tmp_path / "run", **SMALL)
    assert run.config.task == "detection" and 0 <= run.metrics["box_ap"] <= 1
    info = info_of(run.folder / BEST)
    assert info.decoder["classifier"] == "hinge"
    model = load_model(run.folder / BEST)
    assert all(w.any() for w in model.get_layer("score_margin").get_weights())
    before = (run.folder / BEST).read_bytes()
    rcnn.finish_rcnn(run.config, kseg.open_data(task="detection"), run.folder)
    assert (run.folder / BEST).read_bytes() == before  # it is done once

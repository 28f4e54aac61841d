"""Curves by epoch, and sheets of samples."""

from types import SimpleNamespace

import numpy as np
import pytest

from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from kseg.data.sample import Sample
from kseg.evaluation.result_transforms import unchanged
from kseg.reporting.figures import GAP, draw_curve, new_figure, sample_row

VALUES = {"epoch": 1, "learning_rate": 1e-3, "loss": 2.0}
OBJECTS = [{**VALUES, "val_mask_ap": 0.25, "val_box_ap": 0.5}]
SEMANTIC = [{**VALUES, "mean_iou": 0.5, "val_loss": 3.0, "val_mean_iou": 0.25}]


@pytest.mark.parametrize(
    ("history", "name", "expected"),
    [
        (SEMANTIC, "loss", {"training crops": 2.0, "validation images": 3.0}),
        (OBJECTS, "loss", {"training crops": 2.0}),
        (OBJECTS, "mask_ap", {"validation images": 0.25}),
    ],
)
def test_a_curve_says_what_its_values_are_of(history, name, expected):
    _, axes = new_figure(3, 2)
    draw_curve(axes, history, name)
    found = {line.get_label(): line.get_ydata()[0] for line in axes.lines}
    assert found == expected
    assert [text.get_text() for text in axes.get_legend().texts] == list(expected)


def test_a_line_joins_the_epochs_that_were_validated():
    values = (0.1, float("nan"), 0.3)
    history = [
        {"epoch": number, "val_mask_ap": value}
        for number, value in enumerate(values, start=1)
    ]
    _, axes = new_figure(3, 2)
    draw_curve(axes, history, "mask_ap")
    (line,) = axes.lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([1, 3], [0.1, 0.3])


def test_the_learning_rate_needs_no_legend():
    _, axes = new_figure(3, 2)
    draw_curve(axes, OBJECTS, "learning_rate")
    assert len(axes.lines) == 1 and axes.get_legend() is None


def test_both_kinds_of_values_have_the_same_colors_in_all_curves():
    drawn = {}
    for history, name in ((SEMANTIC, "loss"), (OBJECTS, "mask_ap")):
        _, axes = new_figure(3, 2)
        draw_curve(axes, history, name)
        for line in axes.lines:
            drawn.setdefault(line.get_label(), set()).add(line.get_color())
    assert all(len(colors) == 1 for colors in drawn.values())
    assert drawn["training crops"] != drawn["validation images"]


def test_ground_truth_and_prediction_of_a_sheet_are_drawn_alike():
    """Where the prediction is right, both cells are equal; void is white in one."""
    mask = np.array([[0, 1], [2, 255]], np.uint8).repeat(8, 0).repeat(8, 1)
    colors = ((0, 0, 0), (200, 30, 60), (9, 90, 190))
    info = ModelInfo(class_names=("a", "b", "c"), colors=colors)
    labels = np.where(mask == 255, 1, mask).astype(np.uint8)
    predictor = SimpleNamespace(
        info=info, predict=lambda image: SemanticMap(labels, None)
    )
    sample = Sample(np.full((16, 16, 3), 77, np.uint8), mask)
    row = sample_row(predictor, (16, 16), sample, unchanged)
    cell = 16 + GAP
    truth, prediction = (row[:16, k * cell : k * cell + 16] for k in (1, 2))
    assert truth[[0, 0, 8], [0, 8, 0]].tolist() == list(map(list, colors))
    assert (truth[8:, 8:] == 255).all() and (prediction[8:, 8:] == colors[1]).all()
    known = mask != 255
    assert np.array_equal(truth[known], prediction[known])

"""The numbers that figures of objects show."""

import numpy as np

from kseg.evaluation.objects import ObjectEvaluator
from kseg.reporting.object_figures import (
    SIDES,
    error_figure,
    precision_recall_figure,
    size_counts,
    size_figure,
    size_names,
)
from tests.support.objects import detections_of, objects_of

BOXES = [(0, 0, 10, 10), (30, 0, 40, 10)]


def evaluated(names, *pairs):
    evaluator = ObjectEvaluator(names, masks=False)
    for pair in pairs:
        evaluator.add(*pair)
    return evaluator


def test_curves_of_the_classes_with_objects():
    """One of two discs is found; no ring is labelled."""
    found = evaluated(
        ("disc", "$ring$"),
        (objects_of(BOXES, [0, 0]), detections_of(BOXES[:1], [0], [0.9])),
    )
    names = found.names
    figure = precision_recall_figure(found.precision("bbox"), names)
    for axes in figure.axes:
        (line,) = axes.lines
        assert line.get_label() == "disc"
        values = np.array(line.get_ydata())
        np.testing.assert_allclose(values[:51], 1)
        assert (values[51:] == 0).all()
    assert [axes.get_title() for axes in figure.axes] == ["IoU 0.5", "IoU 0.75"]
    labelled = evaluated(
        names, (objects_of(BOXES, [0, 1]), detections_of(BOXES, [0, 1], [1, 1]))
    )
    figure = precision_recall_figure(labelled.precision("bbox"), names)
    figure.draw_without_rendering()  # a dollar sign in a name is no formula


def test_of_many_classes_those_with_the_lowest_ap_are_drawn():
    """Classes 0 and 1 are found, the other ten are not."""
    boxes = [(20 * i, 0, 20 * i + 10, 10) for i in range(12)]
    names = tuple(f"class {i}" for i in range(12))
    found = evaluated(
        names,
        (
            objects_of(boxes, range(12)),
            detections_of(boxes[:2], [0, 1], [1, 1], (20, 300)),
        ),
    )
    figure = precision_recall_figure(found.precision("bbox"), names)
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == list(names[2:])


def test_sizes_by_hand():
    """Sides 10, 16 and 400; only the first is found; a crowd does not count."""
    boxes = [(0, 0, 10, 10), (30, 0, 46, 16), (0, 0, 400, 400), (0, 0, 50, 50)]
    found = evaluated(
        ("disc",),
        (
            objects_of(boxes, [0] * 4, [False, False, False, True], masks=False),
            detections_of(boxes[:1], [0], [0.9], (400, 400)),
        ),
    )
    counts = size_counts(found.outcomes)
    expected = np.zeros((len(SIDES), 2), int)
    expected[1, 0] = expected[2, 1] = expected[7, 1] = 1
    assert counts.tolist() == expected.tolist()
    axes = size_figure(counts).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == [1, 0, 0, 0, 0, 0, 0] + [0, 1, 0, 0, 0, 0, 1]
    assert [text.get_text() for text in axes.get_xticklabels()] == size_names()[1:]


def test_nothing_has_no_sizes():
    counts = size_counts([])
    assert not counts.any()
    assert not size_figure(counts).axes[0].patches


def test_errors_are_bars():
    axes = error_figure({"wrong_class": 2, "missed": 0}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [2, 0]
    texts = [text.get_text() for text in axes.get_yticklabels()]
    assert texts == ["wrong class", "missed"]

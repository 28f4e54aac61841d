"""The figures of a comparison."""

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks.ablation_figure import draw, draw_curve, draw_variants


def row(name, images, values, options):
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else None
    named = {f"seed{index}": value for index, value in enumerate(values)}
    row = {"name": name, "headline": "mean_iou", "images": images, "values": named}
    return {**row, "mean": mean, "options": options}


CURVE = [
    row("base", 367, [0.7, 0.72], {}),
    row("20", 20, [0.4, None], {"images": 20}),
    row("50", 50, [None], {"images": 50}),
]
OTHERS = [row("base", 8, [0.5], {}), row("wide", 8, [0.625, 0.75], {"width": 8})]


def test_a_curve_is_ordered_by_the_number_of_images():
    axes = Figure().subplots()
    draw_curve(axes, CURVE)
    line = axes.get_lines()[-1]
    assert [*line.get_xdata()] == [20, 367]
    assert [*line.get_ydata()] == pytest.approx([0.4, 0.71])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["20", "50", "367"]
    assert axes.get_ylabel() == "mean IoU on val"


def test_variants_have_their_points_and_mean():
    axes = Figure().subplots()
    draw_variants(axes, OTHERS)
    found = [[*line.get_xdata()] for line in axes.get_lines()]
    assert found == [[0.5], [0.5], [0.625, 0.75], [0.6875]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["base", "wide"]


@pytest.mark.parametrize("rows", [CURVE, OTHERS])
def test_the_figure_is_written(tmp_path, rows):
    draw(tmp_path / "figure.png", rows)
    assert np.ptp(cv2.imread(str(tmp_path / "figure.png"))) > 200

"""Figures inside the page."""

import base64
import io
import re

import matplotlib.style
import numpy as np
import pytest

from kseg.reporting.embedded import STYLES, drawn
from kseg.reporting.figures import confusion_figure, draw_curve, new_figure

HISTORY = [
    {"epoch": 1.0, "loss": 2.0, "val_loss": 2.5},
    {"epoch": 2.0, "loss": 1.0, "val_loss": 2.0},
]


def curve():
    figure, axes = new_figure(4.4, 3.2)
    draw_curve(axes, HISTORY, "loss")
    return figure


def bars():
    figure, axes = new_figure(4, 3)
    for index in range(11):  # the eleventh has the colour of the first
        axes.bar(index, 1 + index)
    return figure


def confusion():
    return confusion_figure(np.array([[3, 1], [0, 2]]), ("road", "car"))


def comparable(svg: str) -> str:
    """Without ids, which depend on colours, and without black, which SVG fills with."""
    ids = sorted(set(re.findall(r'id="(\w+)"', svg)), key=svg.index)
    for number, name in enumerate(ids):
        svg = re.sub(rf"\b{name}\b", f"id{number}", svg)
    return re.sub(r"fill: #000000(; )?", "", svg).replace(' style=""', "")


@pytest.mark.parametrize("draw", (curve, bars, confusion))
def test_a_figure_has_the_colours_of_each_style(draw):
    """As matplotlib draws it in that style."""
    found = drawn(draw)
    assert list(found) == list(STYLES)
    for scheme, style in STYLES.items():
        expected = io.StringIO()
        rules = {"svg.fonttype": "path", "svg.hashsalt": "kseg"}
        with matplotlib.style.context([style, rules]):
            options = {"transparent": True, "metadata": {"Date": None}}
            draw().savefig(expected, format="svg", **options)
        kind, _, content = found[scheme].partition(",")
        assert kind == "data:image/svg+xml;base64"
        svg = base64.b64decode(content).decode()
        assert comparable(svg) == comparable(expected.getvalue())

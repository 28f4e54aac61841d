import json

import numpy as np
import pytest

from benchmarks.localize import main, shares, table
from edge.predict.results import Detections
from kseg.data import shapes
from kseg.data.sample import Objects, Sample


class Images:
    """Two images with one object of class 1 in the left half."""

    sizes = [(8, 8)] * 2

    def read(self, index):
        box = np.float32([[0, 0, 4, 8]])
        target = Objects(box, np.int32([1]), np.zeros(1, bool))
        return Sample(np.full((8, 8, 3), index, np.uint8), target)


class Finder:
    """Finds the class and the box given for each image."""

    def __init__(self, *found):
        self.found = found

    def predict(self, image):
        label, box = self.found[image[0, 0, 0]]
        return Detections(
            np.float32([box]), np.int32([label]), np.ones(1, "f4"), (8, 8)
        )


def test_shares_by_hand():
    # The whole image overlaps its half by 1/2, three quarters of the half by 3/4.
    found = shares(Finder((1, (0, 0, 8, 8)), (0, (0, 0, 4, 6))), Images())
    assert found == {"class": 0.5, "box": 1.0, "both": 0.5}
    found = shares(Finder((1, (4, 0, 8, 8)), (1, (0, 0, 4, 8))), Images())
    assert found == {"class": 1.0, "box": 0.5, "both": 0.5}


def test_the_table_has_a_row_for_each_loss():
    losses = {"class": {"class": 0.995, "box": 0.02, "both": 0.02}}
    figures = {"encoder": "plain", "size": (64, 64), "epochs": 2, "losses": losses}
    text = table(figures | {"scenes": {"train": 8, "val": 4}})
    assert text.splitlines() == [
        "localize on plain, 64x64, 2 epochs of 8 scenes, 4 val scenes",
        "",
        "loss      class right    IoU >= 0.5    both",
        "------  -------------  ------------  ------",
        "class           0.995         0.020   0.020",
    ]


@pytest.mark.slow
def test_three_networks_are_trained(monkeypatch, capsys):
    for name, count in {"train": 4, "val": 2}.items():
        monkeypatch.setitem(shapes.OBJECT_SCENES, name, count)
    main("--size 64x64 --epochs 1 --batch-size 2 --json -".split())
    losses = json.loads(capsys.readouterr().out)["losses"]
    assert list(losses) == ["class", "box", "class + 50 box"]
    assert all(0 <= x <= 1 for found in losses.values() for x in found.values())

"""The benchmark of networks that classify proposals."""

import numpy as np

from benchmarks.proposals import ImageCost, cost_table, costs_on_images
from edge.core.timing import StageTimer
from kseg.data.shapes import ObjectShapesSplit


class Engine:
    passes = 0


class Predictor:
    """Makes 3 passes for each image; its times are those of a counted clock."""

    def __init__(self):
        self.engine, self.stages = Engine(), StageTimer()

    def predict(self, image: np.ndarray):
        for stage in ("proposals", "inference"):
            with self.stages.stage(stage):
                pass
        self.engine.passes += 3


class Other:
    """A predictor without proposals, whose engine does not count."""

    def __init__(self):
        self.engine, self.stages = object(), StageTimer()

    def predict(self, image: np.ndarray):
        with self.stages.stage("inference"):
            pass


def test_passes_and_times_of_each_image():
    found = costs_on_images(
        {"three": Predictor(), "one": Other()}, ObjectShapesSplit(0, 3), 2
    )
    assert (found["three"].passes, found["one"].passes) == (3, 1)
    assert found["one"].proposals == 0 < found["three"].proposals
    assert all(cost.total >= cost.inference > 0 for cost in found.values())


def test_the_table_compares_the_times_without_proposals():
    """90 - 80 = 10 ms and 230 - 80 = 150 ms: 15 times."""
    rows = {
        "runs/fast": ImageCost(1, 90, 80, 9).__dict__ | {"box_ap": 0.6},
        "runs/slow": ImageCost(300, 230, 80, 149).__dict__ | {"box_ap": None},
    }
    lines = [line.split() for line in cost_table(rows).splitlines()[2:]]
    assert lines[0] == ["fast", "1", "90.0", "80.0", "10.0", "1.0", "0.6000"]
    assert lines[1] == ["slow", "300", "230.0", "80.0", "150.0", "15.0", "-"]

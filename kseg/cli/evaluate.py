"""Measure a model on a split of a data set, at the size of the images.

  kseg evaluate saved_models/RUN --split test
  kseg evaluate saved_models/RUN/int8.tflite --flip --scales 0.75,1,1.25

Besides mean IoU it gives boundary IoU, the mean IoU of each image, and the AP50 of
connected components. Of objects it gives the average precision (AP) of masks and boxes,
panoptic quality, and the score of each class with the best F1.

`grouping:KIND` (color, edges, intensity, texture) is a baseline without training. Its
segments need --name-by-truth, or --task instance or detection, which take each of them
for an object of one class.
"""

from __future__ import annotations

from typing import Optional, Sequence

from kseg.cli.parser import parse_given
from kseg.cli.tables import metrics_table, write_result
from kseg.core.configs import EvaluateConfig
from kseg.core.options import refuse_unused

CONFIG = EvaluateConfig


def main(argv: Optional[Sequence[str]] = None) -> None:
    config, given = parse_given(CONFIG, "kseg evaluate", __doc__, argv)
    refuse_unused(config, given)
    from kseg.api import evaluate

    found = evaluate(config=config)
    write_result(config.json, found.metrics)
    if config.json != "-":
        print(metrics_table(found.metrics))

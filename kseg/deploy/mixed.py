"""The mixed-precision file of a run, if its int8 file loses more than it may."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from edge.predict.base import Predictor
from kseg.core.configs import ExportConfig
from kseg.core.task_defaults import max_drop_of
from kseg.data.sample import Split
from kseg.deploy.int8 import mixed_precision
from kseg.deploy.parity import NewEvaluator, candidate, value_of
from kseg.evaluation.loop import MIXED
from kseg.evaluation.shifts import values_under_shifts

if TYPE_CHECKING:
    from kseg.deploy.conversion.tflite import Calibration
    from kseg.deploy.export import TrainedRun

log = logging.getLogger(__name__)

AS_IS = ""  # the images without a shift


def mixed_content(
    config: ExportConfig,
    source: TrainedRun,
    int8: Path,
    calibration: Calibration,
    worst: list[mixed_precision.FusedOp],
) -> Optional[bytes]:
    """A file with some operators in float; None if `int8` drops no more than allowed.

    `worst` are the operators, the most sensitive first. The drop is the largest of
    those that the gate checks.
    """
    split, new = source.data.split("val"), source.new_evaluator
    values = partial(all_values, split=split, new=new, shifts=config.shifts)
    expected = values(source.reference)

    def drop(content: bytes) -> float:
        with candidate(content, source.reference) as predictor:
            found = values(predictor)
        return max(expected[shift] - value for shift, value in found.items())

    before = drop(int8.read_bytes())
    max_drop = max_drop_of(config, source.data.task)
    if before <= max_drop:
        log.info(
            f"int8: drop {before:.4f} is within --max-drop {max_drop}; no "
            f"{MIXED}.tflite is needed"
        )
        return None
    log.info(f"int8: drop {before:.4f}; trying its most sensitive layers in float")
    selective = mixed_precision.SelectiveInt8(
        source.network,
        source.size,
        source.head,
        calibration,
        config.bias_correction,
    )
    return mixed_precision.mixed_precision(selective, worst, drop, max_drop)[0]


def all_values(
    predictor: Predictor, split: Split, new: NewEvaluator, shifts: bool
) -> dict[str, float]:
    """The headline metric on a split as it is, and with each shift if requested."""
    values = {AS_IS: value_of(predictor, split, new)}
    if shifts:
        found = values_under_shifts({AS_IS: predictor}, split, new)
        values |= found.get(AS_IS, {})
    return values

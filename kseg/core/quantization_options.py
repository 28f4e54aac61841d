"""The groups of options of an export that makes files smaller than float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from kseg.core.names import FINETUNED_SCHEMES, corrects_biases, uses_calibration
from kseg.core.options import Share, Use, option

EXPORTING = Use(lambda config: not config.check, "with --check")
INT8 = Use(
    lambda config: "int8" in config.schemes, "without int8; add int8 to --quantize"
)


CALIBRATED = Use(
    lambda config: any(map(uses_calibration, config.schemes)),
    "without a scheme of int8 activations; add int8 to --quantize",
)

ROUNDED = Use(
    lambda config: any(map(corrects_biases, config.schemes)),
    "without a scheme whose weights are rounded after training; add int8 to --quantize",
)


def finetuned(part: str = "") -> Use:
    """For options that only fine-tuned schemes use: those with `part` in their name."""
    readers = [scheme for scheme in FINETUNED_SCHEMES if part in scheme]
    return Use(
        lambda config: bool({*readers} & {*config.quantize}),
        "without a scheme that is fine-tuned this way, such as --quantize "
        f"{', '.join(readers[:3])}",
    )


@dataclass(frozen=True, kw_only=True)
class Int8Options:
    """Post-training quantization to int8."""

    title = "Int8"

    calibration_images: int = option(
        100,
        "number of training images that calibrate the ranges",
        EXPORTING,
        CALIBRATED,
        basic=True,
    )
    bias_correction: bool = option(
        True,
        "correct the biases for the rounding of the weights, in int8 and other schemes",
        EXPORTING,
        ROUNDED,
    )
    explain: bool = option(
        False,
        "show the error that int8 adds in each layer: a table and explain.png",
        EXPORTING,
        INT8,
        basic=True,
    )
    mixed_precision: bool = option(
        False,
        "if int8 drops more than --max-drop, write mixed.tflite: worst layers in float",
        EXPORTING,
        INT8,
        basic=True,
        aliases=("mend",),
    )


@dataclass(frozen=True, kw_only=True)
class FineTuningOptions:
    """Schemes that train the network further."""

    title = "Fine-tuning (qat, pruned and clustered schemes)"

    fine_tune_epochs: int = option(3, "epochs of each step", EXPORTING, finetuned())
    fine_tune_rate: Optional[float] = option(
        None,
        "first learning rate, falling to 0; default 1e-4, for qat 1e-5",
        EXPORTING,
        finetuned(),
    )
    sparsity: Share = option(
        0.5,
        "share of all weights that pruning sets to zero",
        EXPORTING,
        finetuned("pruned"),
    )
    clusters: int = option(
        32,
        "largest number of different values in a clustered kernel",
        EXPORTING,
        finetuned("clustered"),
    )
    seed: int = option(0, "random seed", EXPORTING, finetuned(), zero=True)

"""The options of each benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from kseg.core.names import ENCODER_NAMES, MODEL_NAMES, PRECISIONS
from kseg.core.options import DATA_HELP, Output, Size, option, positional


@dataclass(frozen=True)
class BenchmarkConfig:
    """Options of `python -m kseg.benchmark`."""

    what: str = positional(
        "what to measure",
        choices=("architectures", "export", "resume", "sliding", "train"),
    )
    run: str = option("", "a run folder", of=("export",))
    data: str = option("shapes", DATA_HELP, of=("architectures", "sliding", "train"))
    model: str = option("unet", "architecture", choices=MODEL_NAMES, of=("train",))
    encoder: str = option(
        "plain",
        "what the features come from",
        choices=ENCODER_NAMES,
        of=("architectures", "train"),
    )
    batch_size: int = option(8, "images per step", of=("architectures", "train"))
    size: Optional[Size] = option(
        None,
        "training crop; default: to suit the images",
        of=("architectures", "train"),
    )
    steps: int = option(20, "timed steps of each kind in a round", of=("train",))
    rounds: int = option(5, "rounds; the kinds alternate", of=("sliding", "train"))
    precision: str = option(
        "float32",
        "of kseg's step; PyTorch's is float32",
        choices=PRECISIONS,
        of=("train",),
    )
    weights: str = option("none", "of the encoder", of=("architectures",))
    epochs: int = option(
        6, "passes of each network over the data", of=("architectures",)
    )
    models: tuple[str, ...] = option(
        MODEL_NAMES,
        "which, with commas between",
        choices=MODEL_NAMES,
        of=("architectures",),
    )
    calibration_images: int = option(
        50, "that set int8's ranges", of=("architectures", "export")
    )
    output: str = option("saved_models/architectures", "folder", of=("architectures",))
    kills: int = option(20, "trainings that are killed and resumed", of=("resume",))
    seed: int = option(0, "of the moments", zero=True, of=("resume",))
    json: Output = option("", "also write the figures here; - is stdout")

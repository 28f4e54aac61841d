"""The run folder: what training leaves and every later command reads."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from edge.core.errors import InputError
from edge.core.files import atomic_write, write_text
from edge.model_file.info import ModelInfo
from edge.model_file.metadata import info_of
from edge.predict.resizing import limit_side
from edge.predict.semantic import Segmenter
from edge.predict.tta import TTA, SemanticTTA
from kseg import checkpoint
from kseg.checkpoint import DAMAGE
from kseg.config import AWARE_SCHEMES, SCHEMES, TrainConfig, from_record, to_record
from kseg.data import Data
from kseg.grouping import is_grouping, open_grouping

BEST, LAST, CONFIG = "model.keras", "last.keras", "config.json"
METRICS, REPORT = "metrics.json", "report.html"
EVENTS = "tensorboard"  # a folder
PICTURES = ("curves.png", "samples.png", "confusion.png")
EXPORTS = (
    *(f"{name}.tflite" for name in (*SCHEMES, *AWARE_SCHEMES, "mended")),
    *("model.onnx", "parity.json", "explain.png"),
)
ONE_PASS = TTA()
STALE = (*PICTURES, *EXPORTS, METRICS, REPORT, "history.csv")  # until made anew


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_result(target: str, content: Any) -> None:
    """The --json option: a file, `-` for stdout, or nothing where it is empty."""
    if target == "-":
        print(json.dumps(content, indent=1))
    elif target:
        write_json(Path(target), content)


def claim(config: TrainConfig) -> Path:
    """The folder that a run will have. A run that is there is kept unless asked.

    Raises InputError where a run is there without --overwrite or --resume, and where
    --resume finds none.
    """
    folder = config.run_folder
    made = (CONFIG, BEST, LAST, checkpoint.NAME, EVENTS, *STALE)
    there = any((folder / name).exists() for name in made)
    if config.resume and config.overwrite:
        raise InputError("--resume goes on, --overwrite starts anew: give one of them")
    if config.resume and not (folder / checkpoint.NAME).exists():
        raise InputError(f"{folder}: no {checkpoint.NAME} here to --resume from")
    if there and not (config.overwrite or config.resume):
        raise InputError(
            f"{folder}: holds a run already; give --output another folder, or --resume "
            "or --overwrite it"
        )
    return folder


def clear_stale(folder: Path) -> None:
    """Removes what an overwritten run left and the new one has not yet made."""
    for name in STALE:
        (folder / name).unlink(missing_ok=True)


def clear_events(folder: Path) -> None:
    """Removes an overwritten run's events; TensorBoard would show them as one run."""
    shutil.rmtree(folder / EVENTS, ignore_errors=True)


def save_model(model: Any, path: Path, info: ModelInfo) -> None:
    """A `.keras` file with kseg.json inside; whole or not at all."""
    with atomic_write(path) as part:
        model.save(part)
        info.attach(part)


def load_model(path: Path, compile: bool = False) -> Any:
    """A `.keras` file as a model. Raises InputError for one that is none."""
    import keras

    pass  # XXX
    pass  # XXX
    pass  # XXX
    import kseg.optimizer  # noqa: F401  the classes that the file names

    if not path.is_file():
        raise InputError(f"{path}: no such model; python -m kseg.train writes one")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path}: is no Keras model, or ends early; copy or train again"
        )
    try:
        return keras.models.load_model(path, compile=compile)
    except DAMAGE as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise InputError(
            f"{path}: is no model that Keras can load ({reason})"
        ) from None


def record_of(config: TrainConfig, data: Data, size: tuple[int, int]) -> dict[str, Any]:
    """The content of config.json: a run's options, its data, what made it."""
    from kseg import provenance

    return {
        "config": to_record(replace(config, size=size)),
        "data": {
            "name": data.name,
            "names": data.names,
            "channels": data.channels,
            "images": {name: len(split.sizes) for name, split in data.splits.items()},
            "size": typical_size(data, config.max_side),
            "fingerprint": provenance.fingerprint(data),
        },
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }


def read_record(folder: Path) -> dict[str, Any]:
    """`config.json` of a run folder."""
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(f"{folder}: is no run folder; python -m kseg.train writes one")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not {"config", "data"} <= set(record):
            raise ValueError("it lacks config or data")
        return record
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: is damaged ({error}); train again") from None


def run_config(folder: Path) -> TrainConfig:
    return from_record(TrainConfig, read_record(folder)["config"])


def typical_size(data: Data, max_side: int) -> tuple[int, int]:
    """The most frequent size of the validation images as the network sees them."""
    sizes = (limit_side(size, max_side) for size in data.split("val").sizes)
    return Counter(sizes).most_common(1)[0][0]


def check_size(size: tuple[int, int], info: ModelInfo) -> None:
    """Raises InputError for an input that the network cannot have."""
    shown = f"--size {size[0]}x{size[1]}"
    if min(size) < info.minimum:
        least = info.minimum
        raise InputError(f"{shown}: the network's minimum is {least}x{least}")
    # Tiles begin whole steps apart: one that shows less than a step would not do.
    inner = tuple(max(info.step, side - 2 * info.border) for side in size)
    fits = info.covering(inner)
    if fits != size:
        raise InputError(
            f"{shown}: the network takes sides of {info.least} + k * {info.step} "
            f"pixels; the next is {fits[0]}x{fits[1]}"
        )


def locate(model: str) -> tuple[Path, Optional[Path]]:
    """MODEL of a command line -> the model's file and its run folder, if it has one.

    grouping:KIND has no file: its path is its name.
    """
    path = Path(model)
    if is_grouping(model):
        return path, None
    if not path.exists():
        raise InputError(f"{model}: no such run folder or model file")
    if path.is_dir():
        if not (path / BEST).is_file():
            raise InputError(f"{path}: has no {BEST}; python -m kseg.train writes one")
        return path / BEST, path
    if path.suffix not in (".keras", ".tflite", ".onnx"):
        raise InputError(
            f"{path}: is no model; give a run folder, .keras, .tflite or .onnx file"
        )
    return path, path.parent if (path.parent / CONFIG).is_file() else None


def open_segmenter(
    path: Path,
    engine: str = "auto",
    threads: Optional[int] = None,
    segments: Optional[int] = None,
    passes: TTA = ONE_PASS,
) -> Segmenter:
    """A `.keras`, `.tflite` or `.onnx` file, or grouping:KIND, as a Segmenter.

    `segments` is of a grouping alone, `passes` of networks. Raises InputError for what
    is none of them, and for passes that it cannot make.
    """
    if is_grouping(str(path), segments):
        if passes != ONE_PASS:
            raise InputError(
                f"{path}: groups a picture as a whole; leave --full-size, --tile, "
                "--flip and --scales out"
            )
        return open_grouping(str(path), segments)
    if path.suffix != ".keras":
        from edge.engines.select import open_engine

        runner: Any = open_engine(path, engine, threads)
    else:
        from kseg.keras_engine import KerasEngine

        runner = KerasEngine(load_model(path))
    segmenter = Segmenter(runner, info_of(path))
    return segmenter if passes == ONE_PASS else SemanticTTA(segmenter, passes)

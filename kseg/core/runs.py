"""The run folder: files that training writes and other commands read."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from math import isfinite, nan
from pathlib import Path
from typing import Any, Iterator, Optional

from edge.app.shipped import SHIPPED, is_shipped, shipped_model
from edge.core import files
from edge.core.constants import MODEL_SUFFIXES
from edge.core.errors import InputError
from edge.core.files import write_text
from edge.core.inputs import read_text
from kseg.core.configs import TrainConfig, fold_folder, from_record
from kseg.core.hard_options import UNRECORDED
from kseg.core.names import (
    FINETUNED_SCHEMES,
    FLOAT_SCHEMES,
    MODEL_NAMES,
    PARTS,
    SCHEMES,
)
from kseg.core.text import command

HISTORY = "history.csv"
CHECKPOINT = "checkpoint.npz"
DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)
BEST, LAST, CONFIG = "model.keras", "last.keras", "config.json"
METRICS, REPORT = "metrics.json", "report.html"
EVENTS = "tensorboard"  # a folder
LOCK = ".lock"  # while a training writes to the folder
CURVES = "curves.png"
CARD = "card.md"
FIGURES = (
    *(CURVES, "samples.png", "confusion.png"),
    *("precision_recall.png", "errors.png"),
)
EXPORTS = (
    *(f"{name}.{part}.tflite" for name in FLOAT_SCHEMES for part in PARTS),
    *(f"{name}.tflite" for name in (*SCHEMES, *FINETUNED_SCHEMES, "mixed", "mended")),
    *("model.onnx", "parity.json", "explain.png", CARD),
)
OUTDATED = (
    *FIGURES,
    *EXPORTS,
    METRICS,
    REPORT,
    HISTORY,
)  # until written again


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """`history.csv`: a line for each epoch. Raises InputError for nan and infinity."""
    require_finite(path, history)
    text = io.StringIO()
    writer = csv.DictWriter(text, history[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[dict[str, Any]]:
    """`history.csv` as a list of epochs. Raises InputError if it is missing.

    A value that is absent, or not finite in the file of an older version, is nan: it
    is never the best, and curves have a gap there.
    """
    if not path.is_file():
        raise InputError(f"{path}: is missing; kseg train writes it after each epoch")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [
                {name: finite_or_nan(value) for name, value in line.items()}
                for line in csv.DictReader(file)
            ]
        return [{**line, "epoch": int(line["epoch"])} for line in lines]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: is damaged ({error}); restore a copy of it, or train again"
        ) from None


def finite_or_nan(text: str) -> float:
    """A cell of a table -> its number; nan for an empty one and for infinity.

    >>> [finite_or_nan(text) for text in ("0.5", "", "-inf")]
    [0.5, nan, nan]
    """
    value = float(text) if text != "" else nan
    return value if isfinite(value) else nan


def write_json(path: Path, content: Any, indent: Optional[int] = 1) -> None:
    """Writes JSON. Raises InputError for nan and infinity, which JSON cannot hold.

    Missing values are None, written as null.
    """
    write_text(path, json_text(content, path, indent) + "\n")


def json_text(content: Any, path: Path | str, indent: Optional[int] = 1) -> str:
    """JSON for `path`. Raises InputError that names the first value it cannot hold."""
    require_finite(path, content)
    return files.json_text(content, indent)


def require_finite(path: Path | str, content: Any) -> None:
    """Raises InputError for the first number in `content` that is not finite."""
    for keys, value in not_finite(content):
        raise InputError(
            f"{path}: not written, because {'.'.join(keys) or 'it'} is {value}; check "
            "the data with kseg doctor"
        )


def not_finite(content: Any) -> Iterator[tuple[tuple[str, ...], float]]:
    """Keys and values of the numbers in nested dicts and lists that are not finite.

    >>> list(not_finite({"a": [1.0, float("inf")], "b": None}))
    [(('a', '1'), inf)]
    """
    if isinstance(content, float) and not isfinite(content):
        yield (), content
    items: Any = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, (list, tuple)):
        items = enumerate(content)
    for key, value in items:
        for keys, number in not_finite(value):
            yield (str(key), *keys), number


def read_json(path: Path) -> Any:
    """A JSON file that a run wrote. Raises InputError if it is damaged."""
    try:
        return json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({error}); write it again") from None


def reserve(config: TrainConfig) -> Path:
    """The folder of a new or resumed run.

    Raises InputError for an existing run without --overwrite or --resume, for --resume
    without a checkpoint, and for the folder of a model that comes with kseg.
    """
    folder = config.run_folder
    if is_shipped(folder):
        raise InputError(
            f"{folder}: holds the model that comes with kseg; give another --output"
        )
    made = (CONFIG, BEST, LAST, CHECKPOINT, EVENTS, *OUTDATED)
    there = any((folder / name).exists() for name in made)
    if config.resume and config.overwrite:
        raise InputError(
            "--resume continues a run and --overwrite replaces it; give one of them"
        )
    if config.resume and not (folder / CHECKPOINT).exists():
        raise InputError(
            f"{folder}: has no {CHECKPOINT} to resume from; leave out --resume"
        )
    if there and not (config.overwrite or config.resume):
        raise InputError(
            f"{folder}: already has a run; give another --output, or add --resume or "
            "--overwrite"
        )
    return folder


def remove_outdated(folder: Path) -> None:
    """Removes files of an overwritten run that the new one will write again."""
    for name in OUTDATED:
        (folder / name).unlink(missing_ok=True)


def clear_events(folder: Path) -> None:
    """Removes an overwritten run's events; TensorBoard would show them as one run."""
    shutil.rmtree(folder / EVENTS, ignore_errors=True)


def read_record(folder: Path) -> dict[str, Any]:
    """`config.json` of a run folder. Raises InputError if there is none to read."""
    path = folder / CONFIG
    if not path.is_file():
        require_whole_epoch(folder)
        raise InputError(f"{folder}: not a run folder; kseg train writes one")
    try:
        record = json.loads(read_text(path))
        parts = [record.get(name) for name in ("config", "data")]
        if not all(isinstance(part, dict) for part in parts):
            raise ValueError("it has no config or no data")
        return record
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is damaged ({error}); train again") from None


def require_whole_epoch(folder: Path) -> None:
    """Raises InputError for a run that ended in its first epoch, with no model."""
    if (folder / CHECKPOINT).is_file() and not (folder / BEST).is_file():
        raise InputError(
            f"{folder}: has no {BEST}: training ended before the first epoch was "
            f"complete; continue it with {command('train', '--output', folder)} "
            "--resume"
        )


def run_config(folder: Path) -> TrainConfig:
    return recorded_config(read_record(folder))


def recorded_config(record: dict[str, Any]) -> TrainConfig:
    """The options in the record of a run; of an older version, what it did.

    >>> recorded_config({"config": {"loss": "ohem"}}).hard_share
    0.25
    >>> recorded_config({"config": {"loss": "ohem", "hard_share": 0.5}}).hard_share
    0.5
    """
    return from_record(TrainConfig, recorded_options(record))


def recorded_options(record: dict[str, Any]) -> dict[str, Any]:
    """The same as they are recorded, unchecked."""
    options = record["config"]
    older = UNRECORDED if "ohem" in str(options.get("loss")) else {}
    return older | options


def count_folds(folder: Path) -> int:
    """The number of folds of the folder of a k-fold training; 0 for any other folder.

    The folder of one of its folds is an ordinary run.
    """
    try:
        config = json.loads(read_text(folder / CONFIG))["config"]
        folds = config.get("folds") if config.get("fold") is None else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0
    return folds if isinstance(folds, int) else 0


def folds_of(folder: Path) -> list[Path]:
    """The run folders of the folds of a k-fold training."""
    return [fold_folder(folder, number) for number in range(count_folds(folder))]


def refuse_folds(folder: Path) -> None:
    """Raises InputError for the folder of a k-fold training, which has several models.

    Of one model it is told which they are, and how they become one.
    """
    folds = count_folds(folder)
    if folds:
        raise InputError(
            f"{folder}: has {folds} folds with a model each; give one of them, such as "
            f"{fold_folder(folder, 0)}, or train one network on what they predict: "
            f"kseg train --teacher {folder}"
        )


def find_model(model: str, trained: bool = False) -> tuple[Path, Optional[Path]]:
    """A run folder or model file -> the model's file, and its run folder, if any.

    Raises InputError for what is neither. Of a folder without a Keras model the message
    names an exported file, unless the network is to be `trained`.
    """
    path = Path(model)
    if not path.exists():
        meant = ""
        if model in SHIPPED:
            meant = f"; the model that comes with kseg is {shipped_model(model)}"
        raise InputError(f"{model}: no such run folder or model file{meant}")
    if path.is_dir():
        refuse_folds(path)
        if not (path / BEST).is_file():
            require_whole_epoch(path)
            raise no_model_in(path, trained)
        return path / BEST, path
    if path.suffix != ".keras" and path.suffix.lower() not in MODEL_SUFFIXES:
        raise InputError(
            f"{path}: not a model; give a run folder, .keras, .tflite or .onnx file"
        )
    return path, path.parent if (path.parent / CONFIG).is_file() else None


def no_model_in(folder: Path, trained: bool) -> InputError:
    """The error of a folder without model.keras; it may have exported files."""
    files = (folder / name for name in EXPORTS if Path(name).suffix in MODEL_SUFFIXES)
    export = next((path for path in files if path.is_file()), None)
    if export is None:
        return InputError(f"{folder}: has no {BEST}; kseg train writes one")
    if trained:
        return InputError(
            f"{folder}: has no {BEST}, and {export.name} cannot be trained on; give a "
            "run of kseg train"
        )
    return InputError(f"{folder}: has no {BEST}; give its exported file {export}")


def find_network(model: str) -> Optional[tuple[Path, Optional[Path]]]:
    """The .keras file and run folder of a model; None for a network's name or "".

    Raises InputError for what is neither.
    """
    if model in ("", *MODEL_NAMES):
        return None
    if not Path(model).exists():
        raise InputError(
            f"{model}: not a run folder, file or network; the networks are "
            f"{', '.join(MODEL_NAMES)}"
        )
    path, folder = find_model(model, trained=True)
    if path.suffix != ".keras":
        raise InputError(f"{path}: has no Keras graph; give the run it was made from")
    return path, folder

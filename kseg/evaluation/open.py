"""Opens a model and its data by what a command names."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

from edge import predict
from edge.core.errors import InputError
from edge.core.images import list_images
from edge.model_file.info import unknown_model
from edge.model_file.metadata import info_of
from edge.predict.base import Predictor
from edge.predict.open import SINGLE_PASS, predictor_of
from edge.predict.tta import TTA
from kseg.core.runs import find_model, run_config
from kseg.data.open import open_data
from kseg.data.sample import Dataset
from kseg.evaluation.grouping import is_grouping, open_grouping


def data_of(
    model: str, folder: Optional[Path], data: str, seed: Optional[int]
) -> Dataset:
    """The data that a command names, or those that the run was trained on."""
    if not data and folder is None:
        raise InputError(f"{model}: does not say what it was trained on; give --data")
    config = run_config(folder) if folder else None
    name = data or config.data
    if not data and name != "shapes" and not Path(name).is_dir():
        raise InputError(f"{name}: the run's data are gone; say where with --data")
    default = config.seed if config else 0
    return open_data(name, default if seed is None else seed)


def check_classes(predictor: Predictor, data: Dataset, model: str) -> None:
    """Raises InputError where the model's classes are not the data's."""
    known, given = predictor.info.class_names, data.class_names
    of_others = unknown_model().class_names, unknown_model(given).class_names
    if known != given and known not in of_others:
        raise InputError(
            f"{model}: knows the classes {', '.join(known[:32])}; {data.name} has "
            f"{', '.join(given)}"
        )


def list_given_images(given: Sequence[str]) -> list[Path]:
    """Files and the images of folders. Raises InputError where two would collide."""
    paths: list[Path] = []
    for name in given:
        path = Path(name)
        if not path.exists():
            raise InputError(f"{name}: no such image or folder")
        found = list_images(path) if path.is_dir() else [path]
        if not found:
            raise InputError(f"{name}: the folder has no images")
        paths += found
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            raise InputError(
                f"{path} and {stems[path.stem]} would both become {path.stem}.png; "
                "predict them in two calls with two --output"
            )
        stems[path.stem] = path
    return paths


def locate(model: str) -> tuple[Path, Optional[Path]]:
    """MODEL of a command line -> the model's file and its run folder, if it has one.

    grouping:KIND has no file: its path is its name.
    """
    return (Path(model), None) if is_grouping(model) else find_model(model)


def open_predictor(
    path: Path,
    engine: str = "auto",
    threads: Optional[int] = None,
    segments: Optional[int] = None,
    tta: TTA = SINGLE_PASS,
) -> Predictor:
    """A `.keras`, `.tflite` or `.onnx` file, or grouping:KIND, as a predictor.

    `segments` is of a grouping alone, `tta` of networks. Raises InputError for what is
    none of them, and for passes that it cannot make.
    """
    from kseg.models.saving import load_model

    if is_grouping(str(path), segments):
        if tta != SINGLE_PASS:
            raise InputError(
                f"{path}: groups an image as a whole; leave --full-size, --tile, "
                "--flip and --scales out"
            )
        return open_grouping(str(path), segments)
    if path.suffix != ".keras":
        return predict.open_predictor(path, engine, threads, tta=tta)
    from kseg.models.keras_engine import KerasEngine

    return predictor_of(KerasEngine(load_model(path)), info_of(path), str(path), tta)

"""Saves and loads networks as .keras files with their ModelInfo."""

from __future__ import annotations

import copy
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edge.core.errors import InputError, cannot_be
from edge.core.files import atomic_write
from edge.model_file.info import INFO_NAME, LABELS, ModelInfo
from kseg.core.runs import DAMAGE


def save_model(model: Any, path: Path, info: ModelInfo) -> None:
    """Saves a model as a `.keras` file that contains kseg.json, atomically."""
    with atomic_write(path) as part:
        model.save(part)
        info.attach(part)


def load_model(path: Path) -> Any:
    """Loads a model from a `.keras` file, without compiling it.

    Raises InputError if the file does not exist, is not a Keras model, or has weights
    that are not finite. Importing kseg.models registers the layers that it uses.
    """
    import keras

    import kseg.models  # noqa: F401

    if not path.is_file():
        raise InputError(f"{path}: no such model; kseg train writes one")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path}: not a Keras model, or truncated; copy it or train again"
        )
    try:
        model = keras.models.load_model(path, compile=False)
    except DAMAGE as error:
        # No rights, or no room to unpack.
        if isinstance(error, OSError) and error.errno:
            raise cannot_be("read", path, error) from None
        reason = str(error).strip().partition("\n")[0][:200]
        raise InputError(f"{path}: Keras cannot load this model ({reason})") from None
    require_finite_weights(model, path)
    return model


def require_finite_weights(model: Any, path: Path) -> None:
    """Raises InputError for a network with weights that are nan or infinite.

    It would give every pixel the same class, without an error.
    """
    from keras import ops

    for weight in model.weights:
        if not np.isfinite(ops.convert_to_numpy(weight)).all():
            raise InputError(
                f"{path}: its weights are not finite ({weight.path}): training "
                "diverged; train again with a smaller --learning-rate"
            )


def replace_info(path: Path, info: ModelInfo) -> None:
    """Replaces kseg.json and the class names in a `.keras` file, atomically."""
    with atomic_write(path) as part:
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(part, "w") as new:
            for entry in old.infolist():
                if entry.filename not in (INFO_NAME, LABELS):
                    kept = copy.copy(entry)  # writing changes it
                    with old.open(entry) as source, new.open(kept, "w") as target:
                        shutil.copyfileobj(source, target)
        info.attach(part)

"""A trained network as a .keras file that describes itself."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from edge.core.errors import InputError
from edge.core.files import atomic_write
from edge.model_file.info import ModelInfo
from kseg.core.runs import DAMAGE


def save_model(model: Any, path: Path, info: ModelInfo) -> None:
    """A `.keras` file with kseg.json inside; whole or not at all."""
    with atomic_write(path) as part:
        model.save(part)
        info.attach(part)


def load_model(path: Path) -> Any:
    """A `.keras` file as a model, not compiled. Raises InputError for one that is none.

    Importing the networks registers the layers that the file names.
    """
    import keras

    import kseg.models  # noqa: F401

    if not path.is_file():
        raise InputError(f"{path}: no such model; kseg train writes one")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path}: is no Keras model, or ends early; copy or train again"
        )
    try:
        return keras.models.load_model(path, compile=False)
    except DAMAGE as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise InputError(
            f"{path}: is no model that Keras can load ({reason})"
        ) from None

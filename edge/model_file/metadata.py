"""What a model file says of itself: class names, colours, how to feed it.

A `.keras` file is a zip; a `.tflite` becomes one too when files are attached behind
the flatbuffer. Both carry `kseg.json`, read here with `zipfile` alone. An `.onnx`
has it among its `metadata_props`.
"""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import List, Optional

from edge.core.errors import InputError
from edge.model_file.info import INFO_NAME, ModelInfo, unknown_model
from edge.model_file.onnx_proto import metadata_props

log = logging.getLogger(__name__)

DAMAGE = (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError)


def info_of(path: Path) -> ModelInfo:
    """What a model file says of itself; what it lacks is assumed, and that is said."""
    info = read_info(path)
    if info is not None:
        return info
    names = read_labels(path)
    log.info(
        f"{path.name} does not describe itself: classes are "
        f"{'named by its labels file' if names else 'numbered'}, colours are "
        "Pascal VOC's, pictures are stretched to its input"
    )
    return unknown_model(names)


def read_labels(path: Path) -> List[str]:
    """The names in a labels file attached to another's model, a name a line.

    TFLite Metadata call it labels.txt or labelmap.txt, say. None where there is none.
    """
    if not zipfile.is_zipfile(path):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            files = [n for n in archive.namelist() if n.endswith(".txt")]
            files = [n for n in files if "label" in n.lower()]
            lines = archive.read(files[0]).decode().splitlines() if files else []
    except DAMAGE as error:
        raise InputError(f"{path}: its labels file is damaged ({error})") from None
    return [line.strip() for line in lines[:256]]


def read_info(path: Path) -> Optional[ModelInfo]:
    """The `kseg.json` inside a model file; None where there is none.

    Raises InputError where it is there and cannot be understood.
    """
    try:
        text = read_text(path)
        if text is None:
            return None
        return ModelInfo.from_json(text)
    except DAMAGE as error:
        raise InputError(
            f"{path}: its {INFO_NAME} is damaged ({error}); export again"
        ) from None


def read_text(path: Path) -> Optional[str]:
    """The text of `kseg.json`: a pair of an .onnx file's metadata, else in a zip."""
    if path.suffix == ".onnx":
        return metadata_props(path.read_bytes()).get(INFO_NAME)
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return (
            archive.read(INFO_NAME).decode()
            if INFO_NAME in archive.namelist()
            else None
        )

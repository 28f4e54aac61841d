"""Reading a model file's metadata: class names, colours, input preprocessing.

A `.keras` file is a zip archive; a `.tflite` file becomes one too when files are
appended to the flatbuffer. Both contain `kseg.json`, read here with `zipfile` alone.
An `.onnx` file has it in its `metadata_props`.
"""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import List, Optional

from edge.core.errors import InputError, shortened
from edge.model_file.info import INFO_NAME, ModelInfo, unknown_model
from edge.model_file.onnx_proto import metadata_props

log = logging.getLogger(__name__)

INVALID = (
    *(zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError),
    RecursionError,
)


def info_of(path: Path) -> ModelInfo:
    """The metadata of a model file; defaults, which are logged, if it has none."""
    info = read_info(path)
    if info is not None:
        return info
    names = read_labels(path)
    log.info(
        f"{path.name} has no kseg.json: classes are "
        f"{'named by its labels file' if names else 'numbered'}, colours are "
        "Pascal VOC's, images are stretched to its input size"
    )
    return unknown_model(names)


def read_labels(path: Path) -> List[str]:
    """The class names in the labels file of a model without kseg.json, one per line.

    TFLite Metadata name it labels.txt or labelmap.txt, for example. Empty if absent.
    """
    if not zipfile.is_zipfile(path):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            files = [n for n in archive.namelist() if n.endswith(".txt")]
            files = [n for n in files if "label" in n.lower()]
            data = archive.read(files[0]) if files else b""
            lines = data.decode("utf-8-sig").splitlines()
    except INVALID as error:
        raise InputError(
            f"{path}: its labels file is damaged ({shortened(error, 200)})"
        ) from None
    return [line.strip() for line in lines[:256]]


def read_info(path: Path) -> Optional[ModelInfo]:
    """The `kseg.json` of a model file; None if absent.

    Raises InputError if it is invalid.
    """
    try:
        text = read_text(path)
        if text is None:
            return None
        return ModelInfo.from_json(text)
    except INVALID as error:
        raise InputError(
            f"{path}: its {INFO_NAME} is damaged ({shortened(error, 200)}); export "
            "again"
        ) from None


def read_text(path: Path) -> Optional[str]:
    """The text of `kseg.json`, from an .onnx file's metadata or a zip archive."""
    if path.suffix == ".onnx":
        return metadata_props(path.read_bytes()).get(INFO_NAME)
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return (
            archive.read(INFO_NAME).decode("utf-8-sig")
            if INFO_NAME in archive.namelist()
            else None
        )

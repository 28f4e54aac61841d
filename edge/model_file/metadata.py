"""Reading a model file's metadata: class names, colours, input preprocessing.

A `.keras` file is a zip archive; a `.tflite` file becomes one too when files are
appended to the flatbuffer. Both contain `kseg.json`, read here with `zipfile` alone.
An `.onnx` file has it in its `metadata_props`.
"""

from __future__ import annotations

import ast
import json
import zipfile
from pathlib import Path
from typing import Any, List, Optional

from edge.core.errors import InputError, shortened
from edge.model_file.downloaded import onnx_metadata
from edge.model_file.info import INFO_NAME, ModelInfo, unknown_model
from edge.model_file.onnx_proto import is_onnx
from edge.model_file.reading import NOTHING, Reading, read_kept

INVALID = (
    *(zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError),
    RecursionError,
)


def info_of(path: Path) -> ModelInfo:
    """The metadata of a model file; defaults if it has none."""
    info = read_info(path)
    if info is not None:
        return info
    return unknown_model(read_labels(path))


def kept_reading(path: Path) -> Reading:
    """What is kept beside a file that kseg did not export; nothing for other files."""
    return NOTHING if read_info(path) is not None else read_kept(path)


def read_labels(path: Path) -> List[str]:
    """The class names inside a model file without kseg.json.

    TFLite Metadata have a labels file, labels.txt or labelmap.txt, for example, with a
    name in each line. Exports of Ultralytics have `names` in their metadata. Empty if
    there are none.
    """
    if is_onnx(path):
        return names_in(onnx_metadata(path).get("names", ""))
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
    return [line.strip() for line in lines[:256]] or noted_names(path)


def noted_names(path: Path) -> List[str]:
    """The `names` in metadata.json or temp_meta.txt of a .tflite file's zip archive."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if Path(name).name in ("metadata.json", "temp_meta.txt"):
                content = literal(archive.read(name).decode(errors="replace"))
                return names_in(
                    content.get("names") if isinstance(content, dict) else ""
                )
    return []


def names_in(value: Any) -> List[str]:
    """Names from a list, from id -> name, or from the text of one.

    >>> names_in("{0: 'person', 1: 'bicycle'}"), names_in("")
    (['person', 'bicycle'], [])
    """
    value = literal(value) if isinstance(value, str) else value
    if isinstance(value, dict):
        value = [value.get(i, value.get(str(i))) for i in range(len(value))]
    texts = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return value[:256] if texts else []


def literal(text: str) -> Any:
    """A value written in Python or JSON; None for other texts."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


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
    if is_onnx(path):
        return onnx_metadata(path).get(INFO_NAME)
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return (
            archive.read(INFO_NAME).decode("utf-8-sig")
            if INFO_NAME in archive.namelist()
            else None
        )

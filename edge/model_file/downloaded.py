"""Finds what a download leaves in place of a model file, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

from edge.core.errors import InputError, cannot_be
from edge.core.image_header import NO_DOWNLOADS, named_content
from edge.model_file.onnx_proto import metadata_props

TFLITE_MARK = b"TFL3"  # at byte 4 of a .tflite file


def check_downloaded(path: Path, data: bytes) -> None:
    """Raises InputError for a pointer or a web page in place of a model."""
    found = named_content(data, NO_DOWNLOADS)
    if found:
        raise InputError(f"{path}: is no model but {found}")


def onnx_metadata(path: Path) -> Dict[str, str]:
    """The metadata of an .onnx file. Raises InputError for a file that is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise cannot_be("read", path, error) from None
    check_downloaded(path, data)
    if data[4:8] == TFLITE_MARK:
        raise InputError(f"{path}: is a TFLite model; give it the suffix .tflite")
    try:
        return metadata_props(data)
    except ValueError as error:
        raise InputError(
            f"{path}: not an ONNX model ({error}); copy or export it again"
        ) from None

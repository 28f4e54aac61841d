"""What is wrong with a path that should be a data folder."""

from __future__ import annotations

from pathlib import Path

from edge.core.errors import InputError
from edge.core.inputs import no_folder


def data_folder_error(folder: Path) -> InputError:
    """The error for a data folder that does not exist, or is a file or an archive."""
    if folder.exists():
        return InputError(f"{folder}: {no_folder(folder)}; data are read from a folder")
    return InputError(
        f"{folder}: no such data folder; for generated data use --data shapes"
    )

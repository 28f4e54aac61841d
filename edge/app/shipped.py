"""Models that come with this project: saved_models/NAME/int8.tflite of a checkout.

A wheel installs them into share/kseg/saved_models of its environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from edge.core.errors import InputError

SHIPPED = ("nuclei", "shapes")
FOLDER, FILE = "saved_models", "int8.tflite"
CHECKOUT = Path(__file__).resolve().parents[2] / FOLDER


def shipped_model(name: str, folders: Sequence[Path] = ()) -> Path:
    """The model file of a shipped model.

    `folders` hold NAME/int8.tflite; by default that of the checkout, then that of the
    installed package. Raises InputError for another name, and if the file is missing.
    """
    if name not in SHIPPED:
        raise InputError(
            f"--model {name}: is not a shipped model; these are {', '.join(SHIPPED)}. "
            "Give the path of another one without --model"
        )
    folders = folders or (CHECKOUT, *installed_folders())
    for folder in folders:
        if (folder / name / FILE).is_file():
            return folder / name / FILE
    raise InputError(
        f"--model {name}: its file {folders[0] / name / FILE} is missing; get it from "
        "a checkout of kseg, and give its path without --model"
    )


def is_shipped(folder: Path) -> bool:
    """Whether a folder is that of a shipped model, in the checkout or the package."""
    places = (CHECKOUT, *installed_folders()) if folder.name in SHIPPED else ()
    return folder.resolve() in {place / folder.name for place in places}


def installed_folders() -> Sequence[Path]:
    """The folders of models that an installed package lists among its files."""
    from importlib import metadata  # takes longer to import than all of the parser

    try:
        files = metadata.files("kseg") or ()
    except metadata.PackageNotFoundError:
        return ()
    ends = {(FOLDER, name, FILE) for name in SHIPPED}
    found = (path for path in files if path.parts[-3:] in ends)
    folders = {Path(str(path.locate())).resolve().parents[1] for path in found}
    return sorted(folders - {CHECKOUT})  # pip lists a checkout's own files there too

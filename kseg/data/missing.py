"""What is wrong with a path that should be a data folder, or holds no images."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from edge.core.errors import InputError, quoted
from edge.core.images import list_images
from edge.core.inputs import no_folder


def data_folder_error(folder: Path) -> InputError:
    """The error for a data folder that does not exist, or is a file or an archive."""
    if folder.exists():
        return InputError(f"{folder}: {no_folder(folder)}; data are read from a folder")
    return InputError(
        f"{folder}: no such data folder; for generated data use --data shapes"
    )


def no_images_error(
    folder: Path, splits: Sequence[str], others: Sequence[str]
) -> InputError:
    """The error for a folder without images where they are expected.

    It names images that are in folders of splits inside images/, and folders whose
    names have capitals, or are other than those of splits: `others` hold images.
    """
    found = f"{folder}: no images found in train/images or images"
    for split in splits:
        inside = folder / "images" / split
        if inside.is_dir() and list_images(inside):
            return InputError(
                f"{found}, but in images/{split}; move images/{split} to "
                f"{split}/images, and masks/{split} to {split}/masks"
            )
    known = (*splits, "images", "masks")
    for path in (*sorted(folder.glob("*/")), *sorted(folder.glob("*/*/"))):
        lower = path.name.lower()
        if lower in known and path.name != lower:
            return InputError(f"{found}; rename {path} to {lower}, in small letters")
    if others:
        return InputError(
            f"{folder}: the images in {quoted(others[0])} are not read; its name has "
            f"to be {', '.join(splits[:-1])} or {splits[-1]}"
        )
    return InputError(
        f"{found}; expected {folder}/train/images/NAME.jpg with "
        f"{folder}/train/masks/NAME.png"
    )

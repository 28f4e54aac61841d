"""What all writers of formats get: images and their labelled objects."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from edge.core.errors import InputError, reason_of
from edge.core.files import make_folder
from kseg.data.objects_file import LabelledImage

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Export:
    """Images with their files, and the classes without a background.

    The class ids of the objects are positions in `class_names`.
    """

    class_names: tuple[str, ...]
    colors: tuple[Color, ...]
    images: list[tuple[Path, LabelledImage]]


def copy_images(export: Export, folder: Path) -> None:
    """Copies the images unchanged. Raises InputError for one that cannot be copied."""
    make_folder(folder)
    for image, labelled in export.images:
        try:
            shutil.copyfile(image, folder / labelled.file_name)
        except OSError as error:
            raise InputError(
                f"{image}: cannot be copied to {folder} ({reason_of(error)}); free "
                "some space or choose another --output"
            ) from None

"""Which file of labels was probably meant for an image, where the names differ."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterable, Optional, Union

# Words that tools add to names of masks, or of images.
ADDED = frozenset(
    "annot annotated annotation annotations bmp color gray grey groundtruth gt id ids "
    "image images img instance instances jpeg jpg l label labeled labelids labels mask "
    "masks png rgb seg segmentation segmented target tif tiff truth".split()
)


def words_of(stem: str) -> list[Union[str, int]]:
    """The words and numbers of a name, without those of ADDED.

    >>> words_of("Street_007_mask"), words_of("mask-street7")
    (['street', 7], ['street', 7])
    """
    words = re.findall(r"\d+|[^\W\d_]+", stem.casefold())
    return [int(w) if w.isdecimal() else w for w in words if w not in ADDED]


def probably_meant(stem: str, files: Iterable[Path]) -> Optional[Path]:
    """The only one of `files` whose name has the words of `stem`; None if none is."""
    wanted = words_of(stem)
    same = [path for path in files if wanted and words_of(path.stem) == wanted]
    return same[0] if len(same) == 1 else None


def rename_hint(stem: str, files: Iterable[Path]) -> str:
    """A part of a message that names the file probably meant, or "".

    >>> rename_hint("a1", [Path("masks/a1_mask.png"), Path("masks/b.png")])
    'if masks/a1_mask.png is meant, rename it to a1.png; else '
    """
    found = probably_meant(stem, files)
    if found is None:
        return ""
    return f"if {found} is meant, rename it to {stem}{found.suffix}; else "

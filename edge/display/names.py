"""Class names as they are written into frames."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Tuple

from edge.core.errors import quoted
from edge.display.text import missing_for, undrawable
from edge.model_file.info import ModelInfo, class_name

log = logging.getLogger(__name__)


def written_name(info: ModelInfo, index: int) -> str:
    """The name of a class, or "class 3" if not all of its letters can be drawn.

    Which names those are, and why, is logged once.

    >>> info = ModelInfo(class_names=("dog", "a\\tb"), colors=((0, 0, 1),) * 2)
    >>> written_name(info, 0), written_name(info, 1)
    ('dog', 'class 1')
    """
    name = class_name(info, index)
    if (name.isascii() and name.isprintable()) or not missing_for(name)[0]:
        return name
    tell_undrawable(tuple(info.class_names))
    return f"class {index}"


@lru_cache(maxsize=16)
def tell_undrawable(names: Tuple[str, ...]) -> None:
    """Log once that names of classes cannot be drawn, why, and what to do."""
    left_out = undrawable(names)
    if not left_out:
        return
    reason, remedy = missing_for(left_out[0])
    log.warning(
        f"{len(left_out)} of {len(names)} class names, such as {quoted(left_out[0])}, "
        f"cannot be drawn: {reason}; their numbers are drawn instead; {remedy}"
    )

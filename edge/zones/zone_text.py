"""The text of a file of zones: as a person writes it, a zone or rule in a line."""

from __future__ import annotations

from typing import Any

from edge.core.files import json_text

WIDTH = 110  # characters of a line, if its content can be divided
BROKEN = 2  # levels that have a line for each entry: the file; its zones and rules
STEP = 2  # spaces of a level


def zone_text(content: Any, level: int = 0) -> str:
    """JSON in lines: what fits stands in one, and so does each point.

    Names keep their letters, as in the file that a person has written.

    >>> print(zone_text({"zones": {"Tür": [[0.0, 1.0], [0.25, 1.0]]}}))
    {
      "zones": {
        "Tür": [[0, 1], [0.25, 1]]
      }
    }
    """
    whole = json_text(without_point_zero(content), escaped=False)
    broken = level < BROKEN and not is_point(content)
    if not isinstance(content, (dict, list)) or not content:
        return whole
    if is_point(content) or (not broken and len(whole) + STEP * level <= WIDTH):
        return whole
    if isinstance(content, dict):
        parts = [
            f"{json_text(key, escaped=False)}: {zone_text(value, level + 1)}"
            for key, value in content.items()
        ]
    else:
        parts = [zone_text(value, level + 1) for value in content]
    space = "\n" + " " * STEP * (level + 1)
    left, right = "{}" if isinstance(content, dict) else "[]"
    return f"{left}{space}{f',{space}'.join(parts)}\n{' ' * STEP * level}{right}"


def is_point(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(value, (int, float)) for value in content
    )


def without_point_zero(content: Any) -> Any:
    """0.0 as 0, as people write it."""
    if isinstance(content, dict):
        return {key: without_point_zero(value) for key, value in content.items()}
    if isinstance(content, list):
        return [without_point_zero(value) for value in content]
    if isinstance(content, float) and content.is_integer():
        return int(content)
    return content

"""Changes of the view by a page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

from edge.display.view import Background, View, all_classes, controls_of
from edge.model_file.info import ModelInfo


def apply_switch(
    view: View,
    change: dict[str, Any],
    info: ModelInfo,
    background: Optional[Background] = None,
) -> View:
    """The view after a change by the page. Raises ValueError for an invalid change.

    >>> info = ModelInfo(class_names=("road", "car"), colors=((0, 0, 1), (0, 1, 0)))
    >>> apply_switch(View(), {"hide": 1}, info).hidden
    frozenset({1})
    """
    ((switch, value),) = change.items()
    if switch in ("hide", "show") and value == "all":
        return replace(
            view, hidden=all_classes(info) if switch == "hide" else frozenset()
        )
    if switch in ("hide", "show") and value in range(len(info.class_names)):
        hidden = view.hidden | {value} if switch == "hide" else view.hidden - {value}
        return replace(view, hidden=hidden)
    if switch == "opacity" and isinstance(value, (int, float)) and 0 <= value <= 1:
        return replace(view, opacity=float(value))
    if switch in (*controls_of(info), "legend") and isinstance(value, bool):
        return replace(view, **{switch: value})
    if switch == "background" and isinstance(value, bool):
        return replace(view, background=background if value else None)
    raise ValueError(f"invalid switch or value: {switch}")

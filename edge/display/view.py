"""View settings, and the keys that change them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, FrozenSet, Optional, Tuple

import numpy as np

from edge.model_file.info import ModelInfo
from edge.zones.zone import Zone

Background = Callable[[np.ndarray], np.ndarray]  # frame -> its background


@dataclass(frozen=True)
class View:
    """How frames are drawn.

    Classes in `hidden` are not drawn. A `background` replaces all classes but `keep`.
    `keys` shows the number keys of the first ten classes in the legend. `zones` are
    drawn with their names.

    Four are for objects: whether masks and boxes are drawn, whether colours
    are those of the classes ("class") or differ for each track ("track"), and the line
    whose crossings are counted: its axis, "x" or "y", and its position in [0, 1].
    `captures` shows the key that keeps a frame.
    """

    opacity: float = 0.5
    hidden: FrozenSet[int] = frozenset()
    outlines: bool = False
    legend: bool = True
    background: Optional[Background] = None
    keep: FrozenSet[int] = frozenset()
    keys: bool = False
    help: bool = False
    masks: bool = True
    boxes: bool = True
    color_by: str = "class"
    line: Optional[Tuple[str, float]] = None
    zones: Tuple[Zone, ...] = ()
    captures: bool = False


# Task -> the fields of View that have an effect only on some tasks. Other tasks are
# drawn like semantic maps.
OF_MAPS = ("opacity", "outlines")
CONTROLS: dict[str, Tuple[str, ...]] = {
    "semantic": OF_MAPS,
    "detection": ("boxes",),
    "instance": ("opacity", "masks", "boxes", "outlines"),
}
KEYS = {"o": "outlines", "m": "masks", "x": "boxes"}  # that switch them on and off


def controls_of(info: ModelInfo) -> Tuple[str, ...]:
    """The fields of View that have an effect only on some tasks, this one included."""
    return CONTROLS.get(info.task, OF_MAPS)


def help_of(info: ModelInfo, captures: bool = False) -> str:
    """The keys of the window, for the model's task.

    >>> print(help_of(ModelInfo(class_names=(), colors=(), task="detection")))
    q quit   space pause   1 2 3 classes   a all   x boxes
    b background   l legend   h keys
    """
    controls = controls_of(info)
    keys = (("m", "masks"), ("x", "boxes"), ("o", "outlines"), ("+ -", "opacity"))
    masks, boxes, outlines, opacity = (
        f"{key} {name}   " if name in controls else "" for key, name in keys
    )
    first = f"q quit   space pause   1 2 3 classes   a all   {masks}{boxes}"
    kept = "c capture   " if captures else ""
    return (
        f"{first.rstrip()}\n{outlines}b background   {opacity}{kept}l legend   h keys"
    )


def legend_classes(info: ModelInfo) -> list[int]:
    """The classes of the legend: those with a colour."""
    return [index for index, color in enumerate(info.colors) if any(color)]


def apply_key(
    view: View, key: str, info: ModelInfo, background: Optional[Background] = None
) -> View:
    """The view after a key press; the key b switches `background` on and off."""
    if key.isdecimal() and len(key) == 1:
        rows = legend_classes(info)[:10]
        row = (int(key) - 1) % 10
        return view if row >= len(rows) else toggle_class(view, rows[row])
    if key == "a":
        return replace(view, hidden=frozenset() if view.hidden else all_classes(info))
    if key in "+-" and key:
        step = 0.1 if key == "+" else -0.1
        return replace(view, opacity=min(1.0, max(0.0, round(view.opacity + step, 1))))
    if key == "b":
        return replace(view, background=None if view.background else background)
    own = {key: name for key, name in KEYS.items() if name in controls_of(info)}
    switches = {**own, "l": "legend", "h": "help"}
    if key in switches:
        return replace(view, **{switches[key]: not getattr(view, switches[key])})
    return view


def toggle_class(view: View, index: int) -> View:
    """The view with one class hidden if shown, or shown if hidden."""
    return replace(view, hidden=view.hidden ^ {index})


def all_classes(info: ModelInfo) -> FrozenSet[int]:
    return frozenset(range(len(info.class_names)))

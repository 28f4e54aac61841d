"""What viewers may switch, and the keys that do so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, FrozenSet, Optional

import numpy as np

from edge.model_file.info import ModelInfo

Background = Callable[[np.ndarray], np.ndarray]  # a frame -> what is put behind it


@dataclass(frozen=True)
class View:
    """How frames are shown: everything that people may switch.

    Classes of `hidden` are not drawn. With a `background` only the classes of `keep`
    are shown as they are. `keys` says that there is a keyboard: the first ten
    classes have numbers.
    """

    opacity: float = 0.5
    hidden: FrozenSet[int] = frozenset()
    outlines: bool = False
    legend: bool = True
    background: Optional[Background] = None
    keep: FrozenSet[int] = frozenset()
    keys: bool = False
    help: bool = False


HELP = """q end   space pause   1 2 3 classes   a all
o outlines   b background   + - opacity   l legend   h keys"""


def listed(info: ModelInfo) -> list[int]:
    """The classes that the legend lists: those with a colour."""
    return [index for index, color in enumerate(info.colors) if any(color)]


def pressed(
    view: View, key: str, info: ModelInfo, background: Optional[Background] = None
) -> View:
    """The view after a key; `background` is what the key b switches on and off."""
    if key.isdecimal() and len(key) == 1:
        rows = listed(info)[:10]
        row = (int(key) - 1) % 10
        return view if row >= len(rows) else toggled(view, rows[row])
    if key == "a":
        return replace(view, hidden=frozenset() if view.hidden else all_of(info))
    if key in "+-" and key:
        step = 0.1 if key == "+" else -0.1
        return replace(view, opacity=min(1.0, max(0.0, round(view.opacity + step, 1))))
    if key == "b":
        return replace(view, background=None if view.background else background)
    switches = {"o": "outlines", "l": "legend", "h": "help"}
    if key in switches:
        return replace(view, **{switches[key]: not getattr(view, switches[key])})
    return view


def toggled(view: View, index: int) -> View:
    """The view with a class shown that was hidden, or hidden that was shown."""
    return replace(view, hidden=view.hidden ^ {index})


def all_of(info: ModelInfo) -> FrozenSet[int]:
    return frozenset(range(len(info.class_names)))

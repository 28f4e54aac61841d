"""What the labels of an export mean: a class, the background or void.

Labelling tools spell the same thing differently: `_background_`, `Background` and `bg`;
`void`, `__ignore__` and `unlabeled`; `Car` in one job and `car` in another.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional, Sequence

from edge.core.constants import IGNORE_INDEX
from edge.core.errors import quoted

BACKGROUND = "background"
BACKGROUNDS = ("background", "bg")
VOIDS = ("void", "ignore", "ignored", "unlabelled", "unlabeled", "dontcare")
PLAIN = ("background", "void")  # which need no explanation
AROUND = " _-.'[]()<>"  # characters that do not tell such names apart

log = logging.getLogger(__name__)


def plain(name: str) -> str:
    """A name in small letters, without the characters that tools put around it.

    >>> plain("_Background_"), plain("Don't care")
    ('background', 'dontcare')
    """
    folded = unicodedata.normalize("NFC", name).casefold()
    return "".join(c for c in folded if c not in AROUND)


def means_background(name: str) -> bool:
    """Whether a label is the background, in any spelling.

    >>> [means_background(name) for name in ("_background_", "BG", "road")]
    [True, True, False]
    """
    return plain(name) in BACKGROUNDS


def means_void(name: str) -> bool:
    """Whether a label marks pixels without a class, in any spelling.

    >>> [means_void(name) for name in ("__ignore__", "Unlabeled", "other")]
    [True, True, False]
    """
    return plain(name) in VOIDS


def label_text(given: Any) -> str:
    """A label as text, without spaces around it; whole numbers are labels too.

    Raises ValueError, with a text that follows "a shape", for anything else.

    >>> label_text(1), label_text(" road ")
    ('1', 'road')
    """
    if type(given) is int:
        return str(given)
    if not isinstance(given, str):
        kind = "no label" if given is None else f"the label {quoted(given)}, not text"
        raise ValueError(f"has {kind}")
    if not given.strip():
        raise ValueError("has an empty label")
    return given.strip()


@dataclass(frozen=True)
class Labels:
    """The classes of an export of outlines, and the id of each label in masks.

    `names` are the classes, background first. `ids` maps every spelling of a label to
    its id: 0 for background, IGNORE_INDEX for void.
    """

    names: tuple[str, ...]
    ids: dict[str, int]


def labels_of(
    lists: Sequence[Iterable[str]],
    source: Path,
    rank: Optional[Mapping[str, int]] = None,
    alphabetical: bool = False,
) -> Labels:
    """The classes of the labels of several files, in the order of the labels.

    `rank` gives another order.

    Spellings of one label become one class, as `one_spelling` says, and labels that
    mean background or void become these; what is so changed is logged for `source`.
    """
    chosen = one_spelling(lists, source)
    if alphabetical:
        chosen = dict(sorted(chosen.items()))
    elif rank:
        chosen = {
            label: chosen[label] for label in sorted(chosen, key=rank.__getitem__)
        }
    ids = {}
    for label in chosen:
        if means_background(label):
            ids[label] = 0
        elif means_void(label):
            ids[label] = IGNORE_INDEX
    names = dict.fromkeys(chosen[label] for label in chosen if label not in ids)
    numbers = {name: index for index, name in enumerate(names, start=1)}
    log_meanings(ids, source)
    ids |= {label: numbers[chosen[label]] for label in chosen if label not in ids}
    return Labels((BACKGROUND, *names), ids)


def log_meanings(ids: dict[str, int], source: Path) -> None:
    """Logs which labels are the background or void, and not classes."""
    for value, meaning in ((0, "the background"), (IGNORE_INDEX, "void")):
        found = [n for n, i in ids.items() if i == value and n not in PLAIN]
        if found:
            shown = ", ".join(map(quoted, found))
            log.info(f"{source}: the label {shown} is {meaning}, no class")


def one_spelling(lists: Sequence[Iterable[str]], source: Path) -> dict[str, str]:
    """Label -> the spelling of its class, in the order of the labels.

    Spellings that differ in spaces or in their Unicode form are one class. So are those
    that differ in capitals, unless one file has both: then they are different classes.
    The most frequent spelling stands for the class.
    """
    counts: Counter[str] = Counter()
    exact: dict[str, set[str]] = defaultdict(set)
    apart: set[str] = set()
    for one in lists:
        labels = dict.fromkeys(one)
        counts.update(list(labels))
        forms = {form_of(label) for label in labels}
        folded = Counter(form.casefold() for form in forms)
        apart |= {key for key, number in folded.items() if number > 1}
    for label in counts:
        form = form_of(label)
        key = form if form.casefold() in apart else form.casefold()
        exact[key].add(label)
    chosen: dict[str, str] = {}
    for spellings in exact.values():
        best = max(sorted(spellings), key=lambda label: counts[label])
        chosen |= dict.fromkeys(spellings, best)
        if len(spellings) > 1:
            shown = ", ".join(quoted(label) for label in sorted(spellings))
            log.warning(f"{source}: {shown} are one class, {quoted(best)}")
    for key in sorted(apart):
        same = sorted(label for label in counts if form_of(label).casefold() == key)
        shown = ", ".join(quoted(label) for label in same)
        log.warning(f"{source}: {shown} are different classes: a file has both")
    return {label: chosen[label] for label in counts}


def form_of(label: str) -> str:
    """A label in one Unicode form, with single spaces.

    >>> form_of(" traffic  light")
    'traffic light'
    """
    return unicodedata.normalize("NFC", " ".join(label.split()))

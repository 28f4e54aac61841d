"""Errors of importing packages: one line with the true reason and the remedy.

A bare system lacks libraries that a package was linked with; an old one has an older C
library; packages do not suit each other or the processor. Python's messages name a
symptom, and NumPy's have many lines.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Iterator, List, Optional

from edge.core.errors import GateFailed, InputError, shortened
from edge.core.import_causes import CAUSES, FILE, OURS, wheel_of
from edge.core.log import suppress_native_log

LONGEST_REASON = 160  # characters


class BrokenPackage(InputError):
    """A package that cannot be imported."""


@contextmanager
def explained_imports() -> Iterator[None]:
    """A package that cannot be imported in the block is a BrokenPackage, in one line.

    Other errors pass unchanged.
    """
    try:
        yield
    except (InputError, GateFailed):
        raise
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        raise BrokenPackage(message) from None


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Like `explained_imports`, and what packages write to stderr is not shown.

    NumPy writes a page there about packages that were built for another NumPy.
    """
    with suppress_native_log(), explained_imports():
        yield


def explain(error: BaseException) -> Optional[str]:
    """The message for an error of an import; None if it is another error.

    An ImportError is one of an import, except those of names in our own modules. Of
    other errors, the text decides.
    """
    text = whole_text(error)
    module = failing_module(error)
    for pattern, message in CAUSES:
        found = re.search(pattern, text)
        if found:
            return message(module, found)
    if not isinstance(error, ImportError) or module in OURS:
        return None
    said = re.search(r"[Oo]riginal error was: (.+)", text)
    reason = said.group(1) if said else (text.strip().splitlines() or ["no reason"])[0]
    return f"{module}: cannot be imported ({shortened(reason, LONGEST_REASON)}); " + (
        f"install it again: pip install --force-reinstall {wheel_of(module)}"
    )


def whole_text(error: Optional[BaseException]) -> str:
    """The text of an error and of those that led to it, one after the other."""
    texts: List[str] = []
    while error is not None and len(texts) < 10:
        texts.append(str(error))
        # Those before another kind of error may have been handled.
        followed = isinstance(error, ImportError) and not error.__suppress_context__
        error = error.__cause__ or (error.__context__ if followed else None)
    return "\n".join(texts)


def failing_module(error: BaseException) -> str:
    """The package that our code imported; a module of ours if it has no other.

    >>> failing_module(ModuleNotFoundError("No module named 'cv2'", name="cv2"))
    'cv2'
    """
    named = str(getattr(error, "name", None) or "").partition(".")[0]
    foreign = ""
    for name in reversed(modules_of(error.__traceback__)):
        if name in OURS:
            break
        foreign = name
    return foreign or named or OURS[0]


def modules_of(traceback: Optional[TracebackType]) -> List[str]:
    """The top packages whose code a traceback goes through, outermost first."""
    names = []
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if name and not name.startswith(("importlib", "_frozen_importlib")):
            # The program itself is ours, such as edge/camera_demo.py.
            top = "edge" if name == "__main__" else name.partition(".")[0]
            names.append(top)
        traceback = traceback.tb_next
    return names


def lacking_library(text: str) -> Optional[str]:
    """The name of the library that a loader's message says is missing, or None.

    >>> lacking_library("libusb-1.0.so.0: cannot open shared object file: No such file")
    'libusb-1.0.so.0'
    """
    found = re.search(FILE + r": cannot open shared object file", text)
    return Path(found.group(1)).name if found else None

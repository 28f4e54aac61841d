"""XML files of labelling tools."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from edge.core.errors import InputError, quoted
from kseg.data.formats.source import ends_of, read_text

Element = ElementTree.Element


def has_root(path: Path, name: str) -> bool:
    """Whether an XML file has an element `name` near its start."""
    return re.search(rb"<" + name.encode() + rb"[\s>]", ends_of(path)) is not None


def read_xml(path: Path) -> Element:
    """Reads an XML file, and returns its root.

    Raises InputError for invalid XML, and for declarations of entities: a few of them
    can fill the memory, and no labelling tool writes any.
    """
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{path}: declares entities (<!DOCTYPE); export it again")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not valid XML ({error}); export it again") from None


def number(element: Element, name: str, place: str) -> float:
    """A number that is an attribute or the text of a child.

    Raises InputError, naming `place`, if it is missing or not finite.
    """
    text = element.get(name)
    if text is None:
        text = element.findtext(name) or ""
    try:
        value = float(text)
        if not abs(value) < float("inf"):
            raise ValueError
    except ValueError:
        raise InputError(
            f"{place}: {element.tag} has the {name} {quoted(text.strip())}, not a "
            "number; export it again"
        ) from None
    return value

"""Small pieces of HTML that results show in a notebook."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any, Iterable, Mapping


def table(rows: Iterable[tuple[Any, ...]], header: tuple[str, ...] = ()) -> str:
    """Rows as an HTML table, everything escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = ["<table>", f"<tr>{head}</tr>"] if header else ["<table>"]
    for row in rows:
        cells = "".join(f"<td>{escape(text_of(value))}</td>" for value in row)
        lines.append(f"<tr>{cells}</tr>")
    return "".join([*lines, "</table>"])


def text_of(value: Any) -> str:
    """A cell's text; floats with four digits.

    >>> text_of(0.93456789), text_of(3), text_of(None)
    ('0.9346', '3', '')
    """
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def heading(text: str) -> str:
    return f"<p><b>{escape(text)}</b></p>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def numbers(values: Mapping[str, Any]) -> str:
    """The numbers of a mapping as a table of names and values."""
    rows = [
        (name.replace("_", " "), value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    return table(rows)


def image(path: Path) -> str:
    """A PNG file inside the page; nothing where it is missing."""
    if not path.is_file():
        return ""
    return png(path.read_bytes(), path.stem)


def png(content: bytes, name: str) -> str:
    """The content of a PNG file inside the page."""
    data = base64.b64encode(content).decode()
    return f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">'

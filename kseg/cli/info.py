"""Print versions, processor, accelerators and cache, for a bug report.

kseg info
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence

from kseg.cli.parser import parse
from kseg.cli.tables import write_result
from kseg.core.options import JSON_HELP, Output, option


@dataclass(frozen=True)
class InfoConfig:
    """Options of `kseg info`."""

    title = "Output"

    json: Output = option("", JSON_HELP, basic=True)


CONFIG = InfoConfig


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(CONFIG, "kseg info", __doc__, argv)
    from kseg.api import info

    found = info()
    write_result(config.json, found)
    if config.json != "-":
        print(text_of(found))


def text_of(found: dict[str, Any]) -> str:
    """The facts, a line each.

    >>> print(text_of({"kseg": "1.0", "cache": {"folder": "/c"}, "gpus": []}))
    kseg: 1.0
    cache:
      folder: /c
    gpus: none
    """
    lines = []
    for name, value in found.items():
        if isinstance(value, dict) and value:
            lines.append(f"{name}:")
            lines += [f"  {key}: {words(part)}" for key, part in value.items()]
        else:
            lines.append(f"{name}: {words(value)}")
    return "\n".join(lines)


def words(value: Any) -> str:
    """A value in one line; a list with commas."""
    if isinstance(value, (list, dict)):
        return ", ".join(map(str, value)) or "none"
    return str(value)

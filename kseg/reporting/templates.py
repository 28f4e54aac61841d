"""The templates of the report, filled."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Optional

FOLDER = Path(__file__).with_name("templates")


@cache
def environment() -> Any:
    """Jinja2 over the folder of templates; what is put in is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    rules = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined}
    made = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, **rules)
    made.filters["score"] = score
    return made


def render(template: str, /, **content: Any) -> str:
    """A template with its content, as HTML that is not escaped again."""
    from markupsafe import Markup

    return Markup(environment().get_template(template).render(**content))


def score(value: Optional[float], missing: str = "–") -> str:
    """A number in [0, 1] as all tables of kseg show it."""
    return missing if value is None else f"{value:.4f}"

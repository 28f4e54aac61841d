"""Fills the Jinja2 templates of the report."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Optional

FOLDER = Path(__file__).with_name("templates")


@cache
def environment() -> Any:
    """Returns a Jinja2 environment for the templates; values are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    rules = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined}
    made = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, **rules)
    made.filters["score"] = score
    return made


def render(template: str, /, **content: Any) -> str:
    """Fills a template. The returned HTML is not escaped again."""
    from markupsafe import Markup

    return Markup(environment().get_template(template).render(**content))


def score(value: Optional[float], missing: str = "–") -> str:
    """Formats a value in [0, 1] with four digits, as all tables of kseg do."""
    return missing if value is None else f"{value:.4f}"

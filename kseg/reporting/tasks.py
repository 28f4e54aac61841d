"""What each task shows in reports; a task adds an entry to these dicts."""

from __future__ import annotations

from typing import Any, Callable

from kseg.reporting import semantic

# (data, split, evaluator) -> the page's `Section`, see kseg.reporting.page.
SECTIONS: dict[str, Callable[..., Any]] = {"semantic": semantic.open_section}

# (folder, predictor, split, evaluator, shown) -> the names of the figures it wrote.
FIGURES: dict[str, Callable[..., tuple[str, ...]]] = {
    "semantic": semantic.write_figures
}

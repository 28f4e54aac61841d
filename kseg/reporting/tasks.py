"""What the reports show of each task. A new task adds an entry to these dicts."""

from __future__ import annotations

from typing import Any, Callable

from kseg.reporting import objects, semantic

# (data, split, evaluator) -> the `Section` of the page, see kseg.reporting.page.
SECTIONS: dict[str, Callable[..., Any]] = {
    "semantic": semantic.open_section,
    "instance": objects.open_section,
    "detection": objects.open_section,
}

# (folder, predictor, split, evaluator, transform) -> names of the figures written.
FIGURES: dict[str, Callable[..., tuple[str, ...]]] = {
    "semantic": semantic.write_figures,
    "instance": objects.write_figures,
    "detection": objects.write_figures,
}

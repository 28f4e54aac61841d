"""Time budgets of tests; the end of a run lists the tests that exceeded them."""

from collections.abc import Iterable

import pytest

PLAIN, SLOW = 5.0, 40.0  # seconds of the test itself, without its fixtures


def budget(keywords: Iterable[str]) -> float:
    """The budget in seconds of a test with these markers."""
    return SLOW if {"slow", "full"} & set(keywords) else PLAIN


def over_budget(reports: Iterable[pytest.TestReport]) -> list[str]:
    """One line for each test that exceeded its budget, the longest first."""
    late = [
        (report.duration, report.nodeid, budget(report.keywords))
        for report in reports
        if getattr(report, "when", "") == "call"
        and report.duration > budget(report.keywords)
    ]
    return [
        f"{seconds:7.1f} s, over {allowed:.0f} s: {name}"
        for seconds, name, allowed in sorted(late, reverse=True)
    ]

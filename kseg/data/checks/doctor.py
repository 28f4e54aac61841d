"""All checks of a data set, with their figures."""

from __future__ import annotations

from kseg.core.results import Diagnosis
from kseg.data.checks.rules import diagnose
from kseg.data.checks.scan import FolderScan, scan
from kseg.data.checks.statistics import statistics


def examine(data: str, seed: int) -> tuple[FolderScan, Diagnosis]:
    """Reads all files of a data set and reports the issues.

    Raises InputError if there is nothing to read.
    """
    found = scan(data, seed)
    issues = diagnose(found)
    facts = statistics(found, issues)
    return found, Diagnosis(found.name, tuple(issues), facts, facts["harm"])

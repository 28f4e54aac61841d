"""All checks of a data set, with their figures."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from kseg.core.results import Diagnosis
from kseg.data.checks.object_rules import diagnose_objects
from kseg.data.checks.object_scan import scan_objects
from kseg.data.checks.object_statistics import object_statistics
from kseg.data.checks.rules import diagnose
from kseg.data.checks.scan import Scan, scan
from kseg.data.checks.statistics import statistics
from kseg.data.open import SEMANTIC, task_of_data


class Checks(NamedTuple):
    """How data of a task are checked.

    `scan(data, seed, task)` reads all files, `diagnose(scan)` lists the issues, and
    `statistics(scan, issues)` is the content of --json.
    """

    scan: Callable[[str, int, str], Any]
    diagnose: Callable[[Any], list]
    statistics: Callable[[Any, list], dict[str, Any]]


MASKS = Checks(lambda data, seed, task: scan(data, seed), diagnose, statistics)
OBJECTS = Checks(scan_objects, diagnose_objects, object_statistics)
CHECKS = {"semantic": MASKS, "instance": OBJECTS, "detection": OBJECTS}


def examine(data: str, seed: int, task: str = "") -> tuple[Scan, Diagnosis]:
    """Reads all files of a data set and reports the issues.

    `task` is by default semantic for `shapes`, and what `task_of` finds for a folder.
    A task without checks of its own is checked as semantic. Raises InputError if there
    is nothing to read.
    """
    task = task or (SEMANTIC if data == "shapes" else task_of_data(data))
    checks = CHECKS.get(task, MASKS)
    found = checks.scan(data, seed, task)
    issues = checks.diagnose(found)
    facts = checks.statistics(found, issues)
    return found, Diagnosis(found.name, tuple(issues), facts, facts["harm"], found.task)

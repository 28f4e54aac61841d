"""Files shared by all workers of pytest-xdist, created by the first that needs them.

If KSEG_TEST_MADE names a folder, they are also shared by all runs of pytest that are
given it: those of .ci/run, all of the same sources.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """The folder `name`, filled once by `make(folder)` for all workers.

    Other workers wait for the first one; if it failed, the next one tries again. Tests
    must not write into the folder.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # a worker's folder is in that of the run
        base = base.parent
    base = Path(os.environ.get("KSEG_TEST_MADE", base))
    folder, whole = base / name, base / f"{name}.whole"
    with FileLock(base / f"{name}.lock"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            whole.touch()
    return folder

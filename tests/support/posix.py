"""The mark of tests that need a POSIX system: signals, /proc, scripts as programs."""

import os
import shutil
import sys

import pytest

needs_posix = pytest.mark.skipif(
    os.name != "posix", reason="needs POSIX signals and files: not on Windows"
)
needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs Linux's /proc or its displays"
)


def under_rights() -> list[str]:
    """What stands before a command so that files' rights hold for root too.

    Skips the test where that cannot be done.
    """
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv, for rights that hold for root")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]

"""The mark of tests that need a POSIX system: signals, /proc, scripts as programs."""

import os
import sys

import pytest

needs_posix = pytest.mark.skipif(
    os.name != "posix", reason="needs POSIX signals and files: not on Windows"
)
needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs Linux's /proc or its displays"
)

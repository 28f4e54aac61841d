"""Measures a model file and the camera loop.

    python edge/benchmark.py --help

It can be started from any folder; the program is `edge.app.benchmark`.
"""

import os
import sys
from typing import Optional, Sequence

# Before the imports of edge, because sys.path starts with this file's own folder.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def main(argv: Optional[Sequence[str]] = None) -> Optional[int]:
    """Imports the program only here, so that a broken package is said in one line."""
    from edge.core.imports import quiet_imports

    with quiet_imports():
        from edge.app import benchmark
    return benchmark.main(argv)


if __name__ == "__main__":
    from edge.core.interrupts import exit_on_interrupt

    exit_on_interrupt("benchmark")  # before the imports that take long

    from edge.core.arguments import run
    from edge.core.native_calls import own_process

    own_process()
    run("benchmark", main)

"""Measures a model file and the camera loop.

    python edge/benchmark.py --help

It can be started from any folder; the program is `edge.app.benchmark`.
"""

import sys
from pathlib import Path
from typing import Optional, Sequence

# Before the imports of edge, because sys.path starts with this file's own folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge.core.arguments import run
from edge.core.imports import quiet_imports


def main(argv: Optional[Sequence[str]] = None) -> Optional[int]:
    """Imports the program only here, so that a broken package is said in one line."""
    with quiet_imports():
        from edge.app import benchmark
    return benchmark.main(argv)


if __name__ == "__main__":
    run("benchmark", main)

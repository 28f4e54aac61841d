"""Measures a model file and the camera loop.

    python edge/benchmark.py --help

It can be started from any folder; the program is `edge.app.benchmark`.
"""

import sys
from pathlib import Path

# Before the imports of edge, because sys.path starts with this file's own folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge.app.benchmark import main
from edge.core.arguments import run

if __name__ == "__main__":
    run("benchmark", main)

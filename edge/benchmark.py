"""Times a model file and the camera loop around it.

    python edge/benchmark.py --help

It runs from any folder; `edge.app.benchmark` holds the program.
"""

import sys
from pathlib import Path

# Before the imports of edge: Python's path begins with this file's own folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge.app.benchmark import main
from edge.core.arguments import run

if __name__ == "__main__":
    run("benchmark", main)

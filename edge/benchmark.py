"""Measures a model file and the camera loop.

    python edge/benchmark.py --help

It can be started from any folder; the program is `edge.app.benchmark`.
"""

import os
import sys

# Before the imports of edge, because sys.path starts with this file's own folder.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

if __name__ == "__main__":
    from edge.core.interrupts import exit_on_interrupt

    exit_on_interrupt("benchmark")  # before the imports that take long

    from edge.app.benchmark import main
    from edge.core.arguments import run

    run("benchmark", main)

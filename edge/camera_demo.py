"""Segments a camera, video, stream or images as they come.

    python edge/camera_demo.py --help

It runs from any folder; `edge.app.camera` holds the program.
"""

import sys
from pathlib import Path

# Before the imports of edge: Python's path begins with this file's own folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge.app.camera import main
from edge.core.arguments import run

if __name__ == "__main__":
    run("camera_demo", main)

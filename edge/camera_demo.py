"""Segments a camera, video, stream or images live.

    python edge/camera_demo.py --help

It can be started from any folder; the program is `edge.app.camera`.
"""

import sys
from pathlib import Path

# Before the imports of edge, because sys.path starts with this file's own folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edge.app.camera import main
from edge.core.arguments import run

if __name__ == "__main__":
    run("camera_demo", main)

"""Segments a camera, video, stream or images live.

    python edge/camera_demo.py --help

It can be started from any folder; the program is `edge.app.camera`.
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
        from edge.app import camera
    return camera.main(argv)


if __name__ == "__main__":
    from edge.core.interrupts import exit_on_interrupt

    exit_on_interrupt("camera_demo")  # before the imports that take long

    from edge.core.arguments import run
    from edge.core.native_calls import own_process

    own_process()
    run("camera_demo", main)

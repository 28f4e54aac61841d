"""Segment a camera, video or stream: the camera loop of edge."""

from __future__ import annotations

from typing import Optional, Sequence

from edge.core.imports import quiet_imports


def main(argv: Optional[Sequence[str]] = None) -> int:
    with quiet_imports():
        from edge.app import camera

    return camera.main(argv, "kseg live")

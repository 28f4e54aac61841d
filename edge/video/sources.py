"""Opening frame sources as context managers.

The image of a frame is (H, W, 3) uint8 in OpenCV's channel order, BGR.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Iterator

import cv2

from edge.core.addresses import is_address
from edge.core.errors import InputError
from edge.core.filtered_output import filtered_output
from edge.core.images import images_of, is_still, read_image
from edge.core.redaction import remember
from edge.video.capture import (
    DEFAULT_OPTIONS,
    CameraOptions,
    capture_of,
    is_pipeline,
    refuse_camera_options,
)
from edge.video.frames import FPS, Frame, Source
from edge.video.reconnect import Video
from edge.video.scenes import scene
from edge.video.stream_address import here

SHAPES_SIZE = (480, 640)
SHAPES_SEED = 31


def shapes_frames() -> Iterator[Frame]:
    """Moving procedural scenes, a new one every ten seconds."""
    time = 0
    while True:
        image, _ = scene(SHAPES_SEED, time // 250, SHAPES_SIZE, time % 250)
        yield Frame(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), time / FPS)
        time += 1


def image_frames(paths: list[Path]) -> Iterator[Frame]:
    """Images as frames, one second apart."""
    for index, path in enumerate(paths):
        yield Frame(cv2.cvtColor(read_image(path), cv2.COLOR_RGB2BGR), float(index))


def comes_back(source: str, options: CameraOptions = DEFAULT_OPTIONS) -> bool:
    """Whether a source that cannot be opened may be there later: a camera or stream."""
    try:
        return capture_of(here(source), options).live
    except InputError:  # it is malformed
        return False


@contextmanager
def open_source(
    source: str,
    options: CameraOptions = DEFAULT_OPTIONS,
    at_once: bool = True,
    given: str = "",
) -> Iterator[Source]:
    """Open a camera, video file, stream, pipeline, image, image folder or "shapes".

    Neither messages nor the name of the Source show a secret of it; what libraries
    print to stderr while it is open is filtered. Without `at_once` a camera or stream
    is opened in the background, as often as it takes. `given` is its name among
    several, for the log. Raises InputError if it cannot be opened.
    """
    remember(source)
    source = here(source)
    path = Path(source)
    folder = os.path.isdir(source)  # unlike pathlib's, for texts of any length
    images = folder or (os.path.isfile(source) and is_still(path))
    if source == "shapes" or images:
        refuse_camera_options(source, options)
    if source == "shapes":
        yield Source(shapes_frames(), "shapes", endless=True)
    elif images:
        paths = images_of(path) if folder else [path]
        if not paths:
            raise InputError(f"source {source}: the folder has no images")
        yield Source(image_frames(paths), path.name, fps=1.0, still=True)
    else:
        with ExitStack() as stack:
            if is_address(source) or is_pipeline(source):
                stack.enter_context(filtered_output())
            video = Video(source, capture_of(source, options), at_once, given)
            stack.callback(video.close)
            yield Source(
                *(video.frames(), video.kind.name, video.fps),
                live=video.live,
                endless=video.live,
            )

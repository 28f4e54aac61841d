"""Measures the camera loop with several sources against one: frames of all together.

    kseg benchmark sources
    kseg benchmark sources --model saved_models/RUN/int8.tflite --sources 4

The sources are videos, whose frames wait, and cameras, which together give twice as
many frames as the network can take. One source and several run in turns, each for as
many frames; a ratio is the median of those of the rounds. Nothing is drawn. Other load
on the machine hardly affects the processor time of a frame.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import (
    Any,
    Callable,
    ContextManager,
    Iterator,
    NamedTuple,
    Optional,
    Sequence,
)

import numpy as np

from benchmarks.results import JSON_HELP, option, show
from edge.app.feed import Feed
from edge.app.loop import CameraLoop
from edge.app.measure import network_alone, stamped_frames
from edge.app.parallel import with_engine
from edge.app.shipped import shipped_model
from edge.core.errors import InputError
from edge.core.images import format_size
from edge.display.sinks import Controls
from edge.display.view import View
from edge.predict import open_predictor
from edge.predict.base import Predictor
from edge.video import scenes
from edge.video.frames import FPS, Source
from edge.video.recording import open_recorder
from edge.video.sources import open_source
from kseg.cli.parser import parse
from kseg.core.options import Output, Size

SCENES = 8  # different frames
Opener = Callable[[int], ContextManager[Source]]  # of one of so many sources


@dataclass(frozen=True)
class SourcesConfig:
    """Options of `kseg benchmark sources`."""

    model: str = option("", "a .tflite or .onnx file; default: the shipped shapes")
    sources: int = option(2, "number of sources that run together")
    frame: Size = option((480, 640), "size of the frames in pixels")
    frames: int = option(300, "frames of a run, of all its sources together")
    rounds: int = option(9, "rounds of measurement")
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(SourcesConfig, "kseg benchmark sources", __doc__, argv)
    if config.sources < 2:
        raise InputError("--sources 1: one is what they are compared with; give 2")
    show(sources_speed(config), sources_table, config.json)


def sources_speed(config: SourcesConfig) -> dict[str, Any]:
    """Frames per second of one source and of several, and the ratios."""
    path = Path(config.model) if config.model else shipped_model("shapes")
    predictor = open_predictor(path)
    images = [
        np.ascontiguousarray(scenes.scene(0, number, config.frame)[0][..., ::-1])
        for number in range(SCENES)
    ]
    network = network_alone(predictor, images[0], max(50, config.frames // 4))["fps"]
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "video.mp4"
        write_video(video, images, config.frames)
        kinds: dict[str, Opener] = {
            "videos": lambda count: open_source(str(video)),
            "cameras": partial(camera, images, 2 * network),
        }
        results = {
            kind: compared(predictor, opener, config) for kind, opener in kinds.items()
        }
    return {
        "model": path.name,
        "sources": config.sources,
        "frame": config.frame,
        "network_fps": network,
        **results,
    }


def write_video(path: Path, images: Sequence[np.ndarray], count: int) -> None:
    """Write a video of `count` frames (H, W, 3) BGR."""
    recorder = open_recorder(path, FPS, quiet=True)
    for number in range(count):
        recorder.write(images[number % len(images)], number / FPS)
    recorder.close()


@contextmanager
def camera(images: Sequence[np.ndarray], fps: float, count: int) -> Iterator[Source]:
    """One of `count` live sources in memory, which together give `fps`."""
    frames = stamped_frames(images, fps / count)
    yield Source(frames, "camera", live=True, endless=True)


class Run(NamedTuple):
    """Frames per second of all sources, and processor milliseconds of a frame.

    `share` is that of the source with the fewest frames, 1 for equal numbers.
    """

    fps: float
    millis: float
    share: float


def compared(
    predictor: Predictor, opener: Opener, config: SourcesConfig
) -> dict[str, Any]:
    """One source and several of a kind, in turns."""
    pairs = [
        [run(predictor, opener, n, config.frames) for n in (1, config.sources)]
        for _ in range(config.rounds + 1)
    ][1:]  # the first round warms up
    one, several = zip(*pairs, strict=True)
    ratios = [b.fps / a.fps for a, b in pairs]
    return {
        "one_fps": round(median(each.fps for each in one), 3),
        "several_fps": round(median(each.fps for each in several), 3),
        "ratio": round(median(ratios), 3),
        "ratios": [round(min(ratios), 3), round(max(ratios), 3)],
        "one_processor_millis": round(median(each.millis for each in one), 3),
        "several_processor_millis": round(median(each.millis for each in several), 3),
        "processor_ratio": round(median(b.millis / a.millis for a, b in pairs), 3),
        "least_share": round(median(each.share for each in several), 3),
    }


def run(predictor: Predictor, opener: Opener, count: int, frames: int) -> Run:
    """The loop with so many sources, for so many frames of all together."""
    with ExitStack() as stack:
        feeds = []
        for number in range(count):
            source = stack.enter_context(opener(count))
            own = with_engine(predictor, predictor.engine)
            name = str(number + 1) if count > 1 else ""
            feeds.append(Feed(source, own, [], Controls(View()), name=name))
        loop, start = CameraLoop(*feeds), time.process_time()
        loop.run(frames)
        millis = 1e3 * (time.process_time() - start) / loop.rate.count
    fewest = min(feed.rate.count for feed in feeds)
    return Run(loop.rate.fps, millis, fewest * count / loop.rate.count)


def sources_table(figures: dict[str, Any]) -> str:
    """The results as text."""
    lines = [
        f"{figures['model']} at {format_size(figures['frame'])}, the network alone "
        f"{figures['network_fps']:.1f} fps",
        f"{'':10}{'1 source':>12}{figures['sources']:>4} sources{'ratio':>8}"
        f"{'range':>15}{'processor time':>20}{'ratio':>8}{'least share':>13}",
    ]
    for kind in ("videos", "cameras"):
        found = figures[kind]
        low, high = found["ratios"]
        lines.append(
            f"{kind:10}{found['one_fps']:8.1f} fps{found['several_fps']:8.1f} fps"
            f"{found['ratio']:8.3f}{low:9.3f}-{high:.3f}"
            f"{found['one_processor_millis']:8.2f},{found['several_processor_millis']:6.2f}"
            f" ms{found['processor_ratio']:10.3f}{found['least_share']:13.2f}"
        )
    return "\n".join(lines)

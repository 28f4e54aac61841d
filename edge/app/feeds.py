"""The feeds of the options: what each source has, and what all of them share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence

from edge.app.capture import capture_of
from edge.app.event_options import (
    check_rules,
    event_folder_sinks,
    event_log_sinks,
    watch_of,
    webhook_sinks,
)
from edge.app.feed import Feed
from edge.app.mqtt_options import mqtt_sinks
from edge.app.object_options import counter_of, smoother_of
from edge.app.parallel import with_engine
from edge.core.log import say
from edge.display.sinks import Controls, FrameLines, Masks, Recording
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.video.frames import Source


@dataclass
class Part:
    """A source whose feed is being made: its options, and what it has so far."""

    options: argparse.Namespace
    source: Source
    controls: Controls
    watch: Optional[Watch] = None
    sinks: List[Any] = field(default_factory=list)
    name: str = ""  # among several sources


class OpenSinks:
    """Sinks that are open: those of a part, of all, and the order of closing them."""

    def __init__(self, parts: Sequence[Part], closing: List[Any]):
        self.parts, self.closing = parts, closing

    def add_own(self, sinks_of: Callable[[Part], Iterable[Any]]) -> None:
        """Open the sinks that each part has for itself."""
        for part in self.parts:
            for sink in sinks_of(part):
                self.closing.append(sink)
                part.sinks.append(sink)

    def add_shared(self, sinks: Iterable[Any]) -> None:
        """Open sinks that get the frames of all parts."""
        for sink in sinks:
            self.closing.append(sink)
            for part in self.parts:
                part.sinks.append(sink)


def recordings_of(arguments: argparse.Namespace, source: Source) -> Iterator[Any]:
    """The sink of --record, if it is given; opened early, as it may be refused."""
    if arguments.record:
        there = arguments.record.exists()
        yield Recording(arguments.record, source.fps)
        if there:
            say(f"--record {arguments.record}: replaces the recording that is there")


def add_watches(parts: Sequence[Part], info: ModelInfo) -> None:
    """Measure zones and find events, if an option asks for it.

    Raises InputError for options that need rules where no part has any.
    """
    for part in parts:
        part.watch = watch_of(part.options, info, part.source)
    rules = [rule for part in parts if part.watch for rule in part.watch.engine.rules]
    check_rules(parts[0].options, rules)


def own_files(part: Part, info: ModelInfo) -> Iterator[Any]:
    """The sinks of files that each source has for itself."""
    options = part.options
    if options.masks:
        yield Masks(options.masks, info)
    if options.capture:
        yield capture_of(options, part.source, info, part.controls)


def frame_lines(arguments: argparse.Namespace, info: ModelInfo) -> Iterator[Any]:
    """The sink of --frames-json."""
    if arguments.frames_json:
        yield FrameLines(arguments.frames_json, info, arguments.polygons)


def add_file_sinks(
    sinks: OpenSinks, arguments: argparse.Namespace, info: ModelInfo
) -> None:
    """Open the files of frames."""
    sinks.add_own(lambda part: own_files(part, info))
    sinks.add_shared(frame_lines(arguments, info))


def add_event_sinks(
    sinks: OpenSinks, arguments: argparse.Namespace, info: ModelInfo
) -> None:
    """Open what events and measures are told to."""
    watches = [part.watch for part in sinks.parts]
    sinks.add_shared(event_log_sinks(arguments, watches))
    sinks.add_own(lambda p: event_folder_sinks(p.options, p.watch, p.source))
    sinks.add_shared(webhook_sinks(arguments, watches))
    sinks.add_own(lambda p: mqtt_sinks(p.options, p.watch, p.source, info))


def feeds_of(
    parts: Sequence[Part], arguments: argparse.Namespace, predictor: Predictor
) -> List[Feed]:
    """The feeds, which share the engine of the predictor."""
    feeds = []
    for part in parts:
        # Times and smoothing are those of a source.
        own = with_engine(predictor, predictor.engine) if part.name else predictor
        smooth, stage = smoother_of(arguments, predictor.info.task)
        options = {"smooth": smooth, "counter": counter_of(arguments), "stage": stage}
        shown = (part.source, own, part.sinks, part.controls)
        feeds.append(Feed(*shown, **options, watch=part.watch, name=part.name))
    return feeds

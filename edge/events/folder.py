"""Snapshots and recordings of events in a folder. No failure ends the camera.

The loop encodes each view as JPEG; a thread writes the files, as a slow disk would hold
up the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

from edge.events.event import OVER, STARTED, Event
from edge.events.file_writer import FileWriter
from edge.events.ring import Picture, Ring, encoded
from edge.events.watch import Watch
from edge.video.frames import Source
from edge.video.recording import open_recorder

LONGEST_SECONDS = 600.0  # of a recording after the start of its event


@dataclass
class Clip:
    """A recording that is being made; `until` is the time of its last frame."""

    event: Event
    after_seconds: float
    until: float


class EventFolder:
    """A sink that saves the view at the start of events, and records some of them.

    The rules of `watch` say what: ID.jpg is the snapshot of an event, ID.mp4 its
    recording, from some seconds before it to some seconds after it. Of the time before
    it, Ring keeps what fits into its memory. A recording ends LONGEST_SECONDS after the
    start of its event. Events at the same time have recordings of their own. Raises
    InputError if no video can be recorded.
    """

    def __init__(self, folder: Path, watch: Watch, source: Source):
        self.folder, self.watch = folder, watch
        self._rules = {rule.name: rule for rule in watch.engine.rules}
        before = [r.before_seconds or 0.0 for r in watch.engine.rules if r.records]
        if before:
            open_recorder(folder / "ID.mp4", source.fps)  # fails early; writes nothing
        self._ring: Optional[Ring] = Ring(max(before)) if before else None
        self._clips: Dict[str, Clip] = {}
        self._writer = FileWriter(source.fps, waits=not source.live)

    @property
    def wants_view(self) -> bool:
        """Whether rules record, or an event with a snapshot starts in this frame."""
        return self._ring is not None or any(
            change.kind == STARTED and change.event.snapshot
            for change in self.watch.changes
        )

    def take(self, displayed: Any) -> None:
        picture = self._picture(displayed)
        for change in displayed.events:
            event = change.event
            if change.kind != STARTED:
                self._end(event)
            elif picture:
                self._start(event, picture)
        if picture and not displayed.redrawn:
            self._record(picture)

    def _picture(self, displayed: Any) -> Optional[Picture]:
        """The view as JPEG, if it is needed, and in the ring."""
        if displayed.view is None or displayed.redrawn or not self.wants_view:
            return None
        picture = encoded(displayed.view, displayed.seconds)
        if self._ring is not None:
            self._ring.add(picture)
        return picture

    def _start(self, event: Event, picture: Picture) -> None:
        if event.snapshot:
            self._writer.save(self.folder / event.snapshot, picture)
        if event.recording and self._ring is not None:
            rule = self._rules[event.rule]
            self._writer.open(event.id, self.folder / event.recording)
            before = self._ring.since(event.start - (rule.before_seconds or 0.0))
            for earlier in before[:-1]:  # the last one is this frame
                self._writer.add(event.id, earlier)
            until = event.start + LONGEST_SECONDS
            self._clips[event.id] = Clip(event, rule.after_seconds, until)

    def _end(self, event: Event) -> None:
        clip = self._clips.get(event.id)
        if not clip:
            return
        if event.reason != OVER:  # there are no more frames
            self._close(event.id)
        elif event.end is not None:
            clip.until = min(clip.until, event.end + clip.after_seconds)

    def _record(self, picture: Picture) -> None:
        """Add a frame to the running recordings, and end those that are complete."""
        for number, clip in list(self._clips.items()):
            if picture.seconds <= clip.until and picture.seconds >= clip.event.start:
                self._writer.add(number, picture)
            else:
                self._close(number)

    def _close(self, number: str) -> None:
        del self._clips[number]
        self._writer.close_video(number)

    def close(self) -> None:
        for number in list(self._clips):
            self._close(number)
        self._writer.close()

"""Keeps frames that are worth labelling, as the camera gave them: `--capture DIR`.

A frame is kept by the rule of `--every`, or when a viewer asks for it. DIR gets
TIME.png and captured.jsonl, one line for each: its time, source and reason, the mean
confidence, and the shares of the classes or the numbers of objects. Frames that look
like one that was kept before are left out, and so are those beyond `--capture-limit`.
"""

from __future__ import annotations

import argparse
import threading
from concurrent.futures import Future, TimeoutError
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from edge.app.capture_options import LIMIT
from edge.app.capture_rule import FIRST, Every, Rule, rule_of
from edge.app.capture_writer import (
    CaptureWriter,
    Item,
    known_appearances,
    text_of,
)
from edge.core.likeness import Seen, appearance
from edge.core.log import say
from edge.core.redaction import redact
from edge.display.sinks import Controls, DisplayFrame
from edge.display.tasks import IN_BRIEF, SUMMARIES
from edge.model_file.info import ModelInfo
from edge.predict.uncertainty import CONFIDENCE, UNCERTAINTY
from edge.video.frames import HANG_SECONDS, Source

DIGITS = 4  # of confidence and uncertainty
ASKED, TIMED, DOUBTFUL = "asked", "time", "uncertain"  # why a frame was kept


class FrameCapture:
    """A sink that keeps frames in a folder. It is no view and needs none.

    `every` is the rule of `--every`, or None: then only `keep` keeps frames. `limit` is
    the number of images in the folder from which on the rule keeps no more. Frames of a
    `live` source do not wait for the disk.
    """

    wants_view = False

    def __init__(
        self,
        folder: Path,
        info: ModelInfo,
        source: str,
        every: Optional[Every] = None,
        limit: int = LIMIT,
        live: bool = False,
    ):
        self.folder, self.info, self.source, self.limit = folder, info, source, limit
        self._rule = every and rule_of(every)
        # The network's thread asks ahead of `take`, so it has a rule of its own.
        self._ahead = every and rule_of(every)
        self._seen = Seen()
        for one in known_appearances(folder):
            self._seen.add(one)
        self._writer = CaptureWriter(folder, live)
        self._last: Optional[DisplayFrame] = None
        self._before: Any = None  # the result that was looked at before
        self._lock, self._full, self._closed = threading.Lock(), False, False
        self._names: set[str] = set()
        self._looked = self._alike = 0  # frames, by the rule

    def wants_confidence(self, seconds: float) -> bool:
        """Whether the result of the frame at this time needs its confidence."""
        return self._ahead is not None and self._ahead.looks(seconds)

    def take(self, displayed: DisplayFrame) -> None:
        """Keep the frame if the rule says so."""
        if displayed.redrawn or self._closed:
            return
        with self._lock:
            self._last = displayed
            if self._rule and self._rule.looks(displayed.seconds):
                self._look(displayed, self._rule)

    def keep(self) -> Optional[str]:
        """Keep the newest frame, because a viewer asks for it: any thread may call.

        It is kept whatever the rule, the limit and its looks are. Returns the name of
        its file once it is written; None if there is no frame yet, or the disk is full
        or too slow.
        """
        with self._lock:
            item = self._keep(self._last, ASKED) if self._last else None
        try:
            return item.name if item and item.written.result(HANG_SECONDS) else None
        except TimeoutError:
            return None

    def close(self) -> None:
        """Wait for the files, and say what was kept. Then `keep` keeps nothing."""
        with self._lock:
            self._last, self._closed = None, True
        self._writer.close()
        number = self._writer.written
        then = f"kseg prelabel MODEL {self.folder} --format coco --output DIR"
        if number or self._rule:
            frames = "frame" if number == 1 else "frames"
            following = f"; next: {then}" if number else self._why_none()
            say(f"{number} {frames} captured in {self.folder}{following}")

    def _why_none(self) -> str:
        """What became of the frames that the rule looked at, where none was kept."""
        if not self._rule or not self._looked:
            return ""
        text = f": {self._looked} looked at"
        if self._rule.uncertain:
            text += f", of which the first {FIRST} are compared with"
        return text + (f", {self._alike} alike to earlier ones" if self._alike else "")

    def _look(self, displayed: DisplayFrame, rule: Rule) -> None:
        self._looked += 1
        measure = UNCERTAINTY.get(self.info.task) if rule.uncertain else None
        value = measure and measure(displayed.result, self._before, self.info)
        self._before = displayed.result
        if not rule.keeps(displayed.seconds, value):
            return
        if self._writer.count < self.limit:
            self._keep(displayed, DOUBTFUL if rule.uncertain else TIMED, value)
        elif not self._full:
            self._full = True
            say(
                f"--capture {self.folder}: has {self._writer.count} images, no more "
                f"are kept by --every; move them, or raise --capture-limit {self.limit}"
            )

    def _keep(
        self, displayed: DisplayFrame, reason: str, value: Optional[float] = None
    ) -> Optional[Item]:
        """Write a frame; one that looks like a frame before only if it was asked for.

        Returns what waits to be written, or None.
        """
        looks = appearance(displayed.frame)
        if reason != ASKED and looks in self._seen:
            self._alike += 1
            return None
        now = datetime.now(timezone.utc)
        name = self._new_name(now)
        confidence = CONFIDENCE.get(self.info.task)
        brief = IN_BRIEF.get(self.info.task, SUMMARIES[self.info.task])
        line = {
            "file": name,
            "time": now.isoformat(timespec="milliseconds"),
            "source": redact(self.source),
            "seconds": round(displayed.seconds, 3),
            "reason": reason,
            "confidence": rounded(confidence and confidence(displayed.result)),
            "uncertainty": rounded(value),
            **brief(displayed.result, self.info),
            **text_of(looks),
        }
        item = Item(displayed.frame, name, line, Future())
        if not self._writer.put(item):
            return None
        self._seen.add(looks)
        return item

    def _new_name(self, now: datetime) -> str:
        """A name with the time in UTC that no file of the folder has."""
        stem = f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}"
        names = (f"{stem}{end}.png" for end in ("", *map("-{}".format, range(2, 100))))
        taken = (n for n in names if n not in self._names)
        name = next(n for n in taken if not (self.folder / n).exists())
        self._names.add(name)
        return name


def rounded(value: Optional[float]) -> Optional[float]:
    """A value as a line has it."""
    return None if value is None else round(value, DIGITS)


def confidence_wanted(sinks: Sequence[Any]) -> Callable[[float], bool]:
    """Whether some sink wants the confidence of the frame at a time, in seconds."""
    asking = [s.wants_confidence for s in sinks if hasattr(s, "wants_confidence")]
    # A list: each of them keeps count of the frames.
    return lambda seconds: any([wanted(seconds) for wanted in asking])


def capture_of(
    arguments: argparse.Namespace,
    source: Source,
    info: ModelInfo,
    controls: Controls,
) -> FrameCapture:
    """The sink of --capture; viewers keep frames by `controls.capture`."""
    limit = arguments.capture_limit or LIMIT
    options = (arguments.every, limit, source.live)
    capture = FrameCapture(arguments.capture, info, source.label, *options)
    controls.capture = capture.keep
    return capture

"""Opens the sources of the options, several at the same time."""

from __future__ import annotations

import argparse
import threading
from contextlib import ExitStack
from queue import Queue
from typing import List, Optional, Sequence

from edge.core.errors import InputError
from edge.core.log import say
from edge.video.capture import (
    DEFAULT_OPTIONS,
    CameraOptions,
    NotInstalled,
    has_settings,
)
from edge.video.frames import Source
from edge.video.sources import comes_back, open_source


class Opening:
    """A source that is being opened in a thread, as one without an answer takes long.

    Once it is in `done`, it has a `source`, or `error` tells why there is none.
    """

    def __init__(
        self, address: str, options: CameraOptions, name: str, done: Queue[Opening]
    ):
        self.address, self.options, self.name = address, options, name
        self.source: Optional[Source] = None
        self.error: Optional[BaseException] = None
        self._stack, self._lock, self._closed = ExitStack(), threading.Lock(), False
        self._done = done
        threading.Thread(target=self._open, daemon=True).start()

    def _open(self) -> None:
        try:
            opened = open_source(self.address, self.options, given=self.name)
            source = opened.__enter__()
            with self._lock:
                self._stack.push(opened)
                self.source = source
                if self._closed:
                    self._stack.close()
        except BaseException as error:
            self.error = error
        self._done.put(self)

    def close(self) -> None:
        """Close the source, now or as soon as it is open."""
        with self._lock:
            self._closed = True
            self._stack.close()

    @property
    def may_come(self) -> bool:
        """Whether the source may be there later."""
        refused = isinstance(self.error, InputError)
        refused = refused and not isinstance(self.error, NotInstalled)
        return refused and comes_back(self.address, self.options)


def open_sources(each: Sequence[argparse.Namespace], stack: ExitStack) -> List[Source]:
    """Open the source of each options; `stack` closes them.

    Of several sources, those that come back by themselves need not be there at the
    start, if another one is. Raises InputError if a source cannot be opened.
    """
    options = options_of_cameras(each)
    given = [(own.given.address, found) for own, found in zip(each, options)]
    if len(each) == 1:
        return [stack.enter_context(open_source(*given[0]))]
    names = [own.given.name for own in each]
    done: Queue[Opening] = Queue()
    openings = [Opening(*pair, name, done) for pair, name in zip(given, names)]
    for opening in openings:
        stack.callback(opening.close)
    for _ in openings:
        opening = done.get()
        if opening.error and not opening.may_come:
            raise opening.error
    errors = [opening.error for opening in openings if opening.error]
    if len(errors) == len(each):
        raise errors[0]
    sources = []
    for opening in openings:
        if opening.source is None:
            say(f"{opening.name}: {opening.error}; it is tried again")
            pair = opening.address, opening.options
            later = open_source(*pair, at_once=False, given=opening.name)
            opening.source = stack.enter_context(later)
        sources.append(opening.source)
    return sources


def options_of_cameras(each: Sequence[argparse.Namespace]) -> List[CameraOptions]:
    """The camera options of each source: those that are given, for all cameras.

    If no source is a camera, each has them and will refuse them.
    """
    cameras = [has_settings(own.given.address) for own in each]
    return [
        CameraOptions(own.camera_size, own.camera_fps, own.camera_format)
        if camera or not any(cameras)
        else DEFAULT_OPTIONS
        for own, camera in zip(each, cameras)
    ]

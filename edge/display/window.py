"""The window of the camera loop."""

from __future__ import annotations

from typing import Mapping, Optional, Set

import cv2

from edge.core.log import say
from edge.display.grid import Grid
from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import Background, apply_key
from edge.model_file.info import ModelInfo

WINDOW = "kseg"


class Window:
    """A sink that shows frames in a window and handles its keys.

    The frames of several sources are shown in a grid, by their names in `controls`; a
    key changes all of them. After `still` images, the space bar shows the next ones.
    """

    wants_view = True

    def __init__(
        self,
        controls: Mapping[str, Controls],
        info: ModelInfo,
        background: Optional[Background],
        still: bool,
    ):
        self.controls, self.info = list(controls.values()), info
        self.background, self.still = background, still
        self._grid = Grid(list(controls)) if len(controls) > 1 else None
        self._by_name = dict(controls)
        self._seen: Set[str] = set()
        self._open, self._shape = False, (0, 0)

    def take(self, displayed: DisplayFrame) -> None:
        view = displayed.view
        if self._grid:
            view = self._grid.put(displayed.source, view)
        if not self._open:
            cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_GUI_NORMAL)
            self._open = True
        if view.shape[:2] != self._shape and (self._grid or not self._shape[0]):
            self._shape = view.shape[:2]  # that of a grid grows with its cells
            cv2.resizeWindow(WINDOW, *view.shape[1::-1])
        cv2.imshow(WINDOW, view)
        if self.still and not displayed.redrawn:
            self._wait_for_key(displayed.source)
        self.poll(1)

    def _wait_for_key(self, source: str) -> None:
        """Wait for the space bar, once each source has a new image."""
        self._seen.add(source)
        going = {n for n, each in self._by_name.items() if not each.finished}
        if going <= self._seen:
            self._seen.clear()
            self._pause(True)

    def _pause(self, paused: bool) -> None:
        for each in self.controls:
            each.paused = paused

    def poll(self, millis: int) -> None:
        """Process window events for `millis` milliseconds and handle a key."""
        if not self._open:
            return
        key = cv2.waitKey(millis) & 0xFF
        if cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1:
            self._end()
        elif key != 0xFF:
            self.handle_key(key)

    def handle_key(self, key: int) -> None:
        """Handle a key press."""
        if key in (ord("q"), 27):
            self._end()
        elif key == ord(" "):
            self._pause(not self.controls[0].paused)
        for each in self.controls:
            if key == ord("c"):
                capture_by_key(each)
            elif chr(key) not in " q\x1b":
                each.change_view(
                    lambda view: apply_key(view, chr(key), self.info, self.background)
                )

    def _end(self) -> None:
        for each in self.controls:
            each.ended = True

    def close(self) -> None:
        if self._open:
            cv2.destroyWindow(WINDOW)


def capture_by_key(controls: Controls) -> None:
    """Keep the newest frame, if there is a folder for it, and say what was done."""
    if not controls.capture:
        say("key c: keeps the frame for labelling, with --capture DIR")
        return
    name = controls.capture()
    say(f"captured {name}" if name else "key c: the frame is not kept, try again")

"""The window of the camera loop."""

from __future__ import annotations

from typing import Optional

import cv2

from edge.core.log import say
from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import Background, apply_key
from edge.model_file.info import ModelInfo

WINDOW = "kseg"


class Window:
    """A sink that shows frames in a window and handles its keys."""

    wants_view = True

    def __init__(
        self,
        controls: Controls,
        info: ModelInfo,
        background: Optional[Background],
        still: bool,
    ):
        self.controls, self.info = controls, info
        self.background, self.still = background, still
        self._open = False

    def take(self, displayed: DisplayFrame) -> None:
        if not self._open:
            cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(WINDOW, *displayed.view.shape[1::-1])
            self._open = True
        cv2.imshow(WINDOW, displayed.view)
        if self.still and not displayed.redrawn:  # wait for the space bar
            self.controls.paused = True
        self.poll(1)

    def poll(self, millis: int) -> None:
        """Process window events for `millis` milliseconds and handle a key."""
        if not self._open:
            return
        key = cv2.waitKey(millis) & 0xFF
        if cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1:
            self.controls.ended = True
        elif key != 0xFF:
            self.handle_key(key)

    def handle_key(self, key: int) -> None:
        """Handle a key press."""
        if key in (ord("q"), 27):
            self.controls.ended = True
        elif key == ord(" "):
            self.controls.paused = not self.controls.paused
        elif key == ord("c"):
            capture_by_key(self.controls)
        else:
            self.controls.change_view(
                lambda view: apply_key(view, chr(key), self.info, self.background)
            )

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

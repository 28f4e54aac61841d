"""A window on the screen, and its keys."""

from __future__ import annotations

from typing import Optional

import cv2

from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import Background, pressed
from edge.model_file.info import ModelInfo

WINDOW = "kseg"


class Window:
    """A window on the screen, and its keys."""

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

    def take(self, seen: DisplayFrame) -> None:
        if not self._open:
            cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(WINDOW, *seen.view.shape[1::-1])
            self._open = True
        cv2.imshow(WINDOW, seen.view)
        if self.still and not seen.again:  # each picture until the space bar
            self.controls.paused = True
        self.poll(1)

    def poll(self, millis: int) -> None:
        """Lets the window work for so long, and obeys a key."""
        if not self._open:
            return
        key = cv2.waitKey(millis) & 0xFF
        if cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1:
            self.controls.ended = True
        elif key != 0xFF:
            self.obey(key)

    def obey(self, key: int) -> None:
        """What a key of the window does."""
        if key in (ord("q"), 27):
            self.controls.ended = True
        elif key == ord(" "):
            self.controls.paused = not self.controls.paused
        else:
            view = pressed(self.controls.view, chr(key), self.info, self.background)
            self.controls.view = view

    def close(self) -> None:
        if self._open:
            cv2.destroyWindow(WINDOW)

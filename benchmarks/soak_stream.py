"""A camera for the soak test: an MJPEG stream on loopback that can be cut.

Each frame carries its number, so that whoever sees it knows how old it is.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any, Optional

import cv2
import numpy as np

from edge.video import scenes

SIZE = (160, 240)  # height, width of the frames
BITS, CELL = 16, 8  # of the frame's number; the side of a bit's square in pixels
CONTRAST = 40  # between the two squares of a bit, below which it is not read
SCENES, STEPS = 6, 40  # different scenes, and frames of each
BOUNDARY = b"soak"
HEAD = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    b"Content-Type: multipart/x-mixed-replace; boundary=" + BOUNDARY + b"\r\n\r\n"
)


def stamp(frame: np.ndarray, number: int) -> np.ndarray:
    """A copy of a frame (H, W, 3) with a number in its upper right corner.

    Each bit is a white and a black square, one above the other: what is drawn over
    both of them leaves their order.
    """
    bits = np.array([number >> bit & 1 for bit in range(BITS)], np.uint8)
    cells = np.stack([bits, 1 - bits]) * 255
    squares = np.kron(cells, np.ones((CELL, CELL), np.uint8))
    result = frame.copy()
    result[: 2 * CELL, -BITS * CELL :] = squares[..., None]
    return result


def read_stamp(view: np.ndarray) -> Optional[int]:
    """The number of a frame (H, W, 3), also after JPEG and drawing; None if unreadable.

    >>> read_stamp(stamp(np.full((40, 160, 3), 90, np.uint8), 40_000))
    40000
    """
    grey = view[: 2 * CELL, -BITS * CELL :].mean(axis=2)
    cells = grey.reshape(2, CELL, BITS, CELL).mean(axis=(1, 3))
    difference = cells[0] - cells[1]
    if abs(difference).min() < CONTRAST:
        return None
    return sum(1 << bit for bit in range(BITS) if difference[bit] > 0)


def moving_scenes(seed: int) -> list[np.ndarray]:
    """Frames (H, W, 3) BGR of scenes whose objects move and are then replaced."""
    return [
        scenes.scene(seed, index, SIZE, time)[0][..., ::-1]
        for index in range(SCENES)
        for time in range(STEPS)
    ]


class Stream:
    """Sends frames at `fps` to who asks, in threads; a context manager.

    While it is cut it has no connections, or, with `silent`, sends nothing. `sent` are
    the times, in s of time.monotonic, at which frames were made, by their number.
    """

    def __init__(self, frames: list[np.ndarray], fps: float):
        self.frames, self.fps = frames, fps
        self.sent: dict[int, float] = {}
        self._newest: tuple[int, bytes] = (0, b"")
        self._changed = threading.Condition()
        self._cut = self._silent = self._ended = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._port = self._listening.getsockname()[1]
        self._connections: list[socket.socket] = []
        for work in (self._produce, self._accept):
            threading.Thread(target=work, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/camera.mjpg"

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended = True
        self.cut(silent=False)

    def cut(self, silent: bool) -> None:
        with self._changed:
            self._cut, self._silent = True, silent
            self._changed.notify_all()
        for connection in () if silent else self._connections:
            with suppress(OSError):  # its thread has closed it
                connection.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self._changed:
            self._cut = self._silent = False
            self._changed.notify_all()

    def _produce(self) -> None:
        due = time.monotonic()
        number = 0
        while not self._ended:
            due = max(due + 1 / self.fps, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            number = (number + 1) % (1 << BITS)
            made = time.monotonic()
            frame = stamp(self.frames[number % len(self.frames)], number)
            jpeg = cv2.imencode(".jpg", frame)[1].tobytes()
            with self._changed:
                self.sent[number] = made
                self._newest = number, jpeg
                self._changed.notify_all()

    def _accept(self) -> None:
        while not self._ended:
            connection, _ = self._listening.accept()
            if self._cut and not self._silent:
                connection.close()
                continue
            self._connections.append(connection)
            arguments = (connection,)
            threading.Thread(target=self._send, args=arguments, daemon=True).start()
        self._listening.close()

    def _send(self, connection: socket.socket) -> None:
        last = 0
        with suppress(OSError), connection:
            connection.recv(4096)
            connection.sendall(HEAD)
            while not self._ended:
                last, jpeg = self._next(last)
                if self._cut:
                    return
                size = f"{len(jpeg)}".encode()
                head = b"--" + BOUNDARY + b"\r\nContent-Type: image/jpeg\r\n"
                head += b"Content-Length: " + size + b"\r\n\r\n"
                connection.sendall(head + jpeg + b"\r\n")
        with suppress(ValueError):
            self._connections.remove(connection)

    def _next(self, last: int) -> tuple[int, bytes]:
        """The newest frame, once there is another one and the stream may send it."""

        def may_send() -> bool:
            if self._ended or (self._cut and not self._silent):
                return True
            return not self._cut and self._newest[0] != last

        with self._changed:
            self._changed.wait_for(may_send)
            return self._newest

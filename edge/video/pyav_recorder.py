"""Recording frames to a video file at their true times, by PyAV.

The file plays however the recording ends, by a full disk or a power failure too: its
index is written in parts, every two seconds. An .mp4 that is closed gets one index, so
that it is like any other.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Optional, Sequence

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from edge.core.errors import GateFailed, InputError, reason_of
from edge.video.encoders import TIME_BASE, open_encoder
from edge.video.recorder import (
    LONGEST_GAP,
    MAKE_ROOM,
    Recorder,
    with_bars,
)

log = logging.getLogger(__name__)

PART_SECONDS = 2.0  # of a file's parts; what a power failure costs
SLOW_FPS = 5.0  # below which the last frame is held as long as the others
SYNC_SECONDS = 5.0  # after which what is written is sent to the disk itself
MUXERS = {
    ".mp4": {"movflags": "+hybrid_fragmented+frag_keyframe"},
    ".mkv": {"cluster_time_limit": str(round(1e3 * PART_SECONDS))},
}


class PyAVRecorder(Recorder):
    """Writes frames to an .mp4 or .mkv file, which gets its name when it is closed."""

    def _open(self, frame: np.ndarray) -> None:
        # Every packet goes to the system at once.
        options = {**MUXERS[self.path.suffix.lower()], "flush_packets": "1"}
        part = str(self.part.absolute())
        rows, columns = (side + side % 2 for side in frame.shape[:2])
        try:
            self._container = av.open(part, "w", container_options=options)
            self._stream = open_encoder(self._container.add_stream, rows, columns)
            self._container.start_encoding()
        except av.FFmpegError as error:
            raise InputError(
                f"{self.shown}: cannot be written ({reason_of(error)})"
            ) from None
        self.encoder = self._stream.codec_context.name
        self._writer = self._container
        self._reformatter = VideoReformatter()
        self._last_moment, self._key_seconds = -1, -PART_SECONDS
        self._syncing: Optional[threading.Thread] = None
        self._synced = time.monotonic()
        log.log(self._level, f"{self.shown}: encoded by {self.encoder}")

    def write(self, frame: np.ndarray, seconds: float) -> None:
        """Write a frame; the first one sets the size, later ones are fitted into it.

        A gap of more than 10 s is shortened to it. Raises GateFailed when there is no
        room left: the file then has the frames before this one.
        """
        if self._writer is None:
            self._begin(frame)
            self._start = self._previous = seconds
        if frame.shape[1::-1] != self.size_wh:
            frame = with_bars(frame, self.size_wh)
        gap = seconds - self._previous - LONGEST_GAP
        if gap > 0:
            self._start += gap
        self._previous = seconds
        self._put_at(frame, seconds - self._start)

    def _put_at(self, frame: np.ndarray, seconds: float) -> None:
        """Write a frame at its time in the file."""
        self._check_room(frame)
        moment = max(self._last_moment + 1, round(seconds / TIME_BASE))
        encodable = self._encodable(frame, moment)
        try:
            self._mux(self._stream.encode(encodable))
        except av.FFmpegError as error:
            self._fail(error)
        self._last_moment = moment
        self.written += 1
        self._sync()

    def _mux(self, packets: Sequence[Any]) -> None:
        """Pass packets on to the file, which gets them a part at a time."""
        for packet in packets:
            if self.fps < SLOW_FPS:
                # It counts for the last frame: encoders give it 1 / NOMINAL_FPS.
                packet.duration = round(1 / (self.fps * packet.time_base))
            self.held = packet.size + (0 if packet.is_keyframe else self.held)
            self._container.mux(packet)

    def _encodable(self, image: np.ndarray, moment: int) -> Any:
        """A frame for the encoder: even sides, the colours of BT.709, its time."""
        rows, columns = (side % 2 for side in image.shape[:2])
        if rows or columns:
            image = cv2.copyMakeBorder(image, 0, rows, 0, columns, cv2.BORDER_REPLICATE)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "bgr24")
        frame = self._reformatter.reformat(
            frame, format="yuv420p", dst_colorspace="ITU709", threads=1
        )
        frame.pts, frame.time_base = moment, TIME_BASE
        seconds = float(moment * TIME_BASE)
        if seconds - self._key_seconds >= PART_SECONDS:  # a part begins with it
            frame.pict_type, self._key_seconds = PictureType.I, seconds
        return frame

    def _sync(self) -> None:
        """Have the file written to the disk itself, now and then, beside the loop."""
        if time.monotonic() - self._synced < SYNC_SECONDS:
            return
        self._synced = time.monotonic()
        if self._syncing is None or not self._syncing.is_alive():
            arguments = (self.part,)
            self._syncing = threading.Thread(target=sync, args=arguments, daemon=True)
            self._syncing.start()

    def _fail(self, error: Exception) -> None:
        """Keep what is in the file, which plays, and raise GateFailed."""
        self._finish()
        raise GateFailed(
            f"{self.shown}: cannot be written ({reason_of(error)}); the video "
            f"has the frames before that; {MAKE_ROOM}"
        ) from None

    def close(self) -> None:
        """Finish the file and rename it.

        Raises GateFailed if it is not complete, because others have filled the disk.
        """
        if self._writer is None:
            self._lock.release()
            return
        try:
            self._mux(self._stream.encode())
        except av.FFmpegError as error:
            self._fail(error)
        error = self._finish()
        if error:
            raise GateFailed(
                f"{self.shown}: its last seconds may be missing "
                f"({reason_of(error)}); {MAKE_ROOM}"
            )

    def _finish(self) -> Optional[Exception]:
        """Write the index and rename the file, which plays without an index too.

        Returns why the index is missing. Raises GateFailed if the file does not play.
        """
        self._writer, failure = None, None
        try:
            self._container.close()
        except av.FFmpegError as error:
            failure = error
        sync(self.part)
        self._keep()
        if not failure:
            self._say(float(max(0, self._last_moment) * TIME_BASE))
        return failure


def sync(path: Path) -> None:
    """Have what is written of a file sent to the disk; a failure shows elsewhere."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)

import time

import cv2
import numpy as np
import pytest

from benchmarks.soak_stream import SIZE, Stream, read_stamp, stamp

GREY = np.full((*SIZE, 3), 120, np.uint8)


@pytest.mark.parametrize("number", [0, 1, 0x5555, 65535])
def test_the_number_of_a_frame_survives_jpeg_and_drawing(number):
    frame = stamp(GREY, number)
    red = np.zeros_like(frame)
    red[..., 2] = 255
    drawn = cv2.addWeighted(frame, 0.5, red, 0.5, 0)
    data = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    assert read_stamp(cv2.imdecode(data, 1)) == number


def test_a_frame_without_a_number_has_none():
    assert read_stamp(GREY) is None


def test_a_stream_can_be_cut_and_comes_back():
    with Stream([GREY], fps=50) as stream:
        capture = cv2.VideoCapture(stream.url, cv2.CAP_FFMPEG)
        numbers = [read_stamp(capture.read()[1]) for _ in range(5)]
        assert None not in numbers and numbers == sorted(set(numbers))
        assert all(stream.sent[number] <= time.monotonic() for number in numbers)
        stream.cut(silent=False)
        while capture.read()[0]:  # what was on the way
            pass
        assert not cv2.VideoCapture(stream.url, cv2.CAP_FFMPEG).isOpened()
        stream.mend()
        capture = cv2.VideoCapture(stream.url, cv2.CAP_FFMPEG)
        assert read_stamp(capture.read()[1]) >= numbers[-1]
        capture.release()

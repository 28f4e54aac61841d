"""What native libraries print, without secrets."""

import os

import pytest

from edge.core.filtered_output import STDERR, end_filters, filtered_output

LINE = b"opening rtsp://me:8810@h/s\n"
SHOWN = "opening rtsp://***@h/s\n"


def test_what_is_written_to_stderr_is_filtered(capfd):
    with filtered_output():
        os.write(2, LINE[:15])
        os.write(2, LINE[15:] + b"not a whole line")
    os.write(2, b" after it\n")
    assert capfd.readouterr().err == SHOWN + "not a whole line after it\n"


def test_bytes_that_are_no_text_are_passed_on(capfdbinary):
    with filtered_output():
        os.write(2, b"\xff\xfe\n")
    assert capfdbinary.readouterr().err == b"\xff\xfe\n"


@pytest.mark.parametrize("level", ["-8", "32"])
def test_stdout_is_filtered_if_a_log_is_wanted(capfd, monkeypatch, level):
    for name in ("OPENCV_FFMPEG_DEBUG", "OPENCV_LOG_LEVEL", "OPENCV_VIDEOIO_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENCV_FFMPEG_LOGLEVEL", level)
    with filtered_output():
        os.write(1, LINE)
    assert capfd.readouterr().out == (SHOWN if level == "32" else LINE.decode())


def test_threads_share_a_filter(capfd):
    """The first to end does not end it for the other."""
    first, second = STDERR.__enter__(), STDERR.__enter__()
    first.__exit__()
    os.write(2, LINE)
    second.__exit__()
    os.write(2, LINE)
    assert capfd.readouterr().err == SHOWN + LINE.decode()


def test_the_end_of_the_program_ends_a_filter_that_a_thread_still_has(capfd):
    with filtered_output():
        os.write(2, LINE)
        end_filters()
        assert capfd.readouterr().err == SHOWN
        os.write(2, b"after it\n")
    assert capfd.readouterr().err == "after it\n"


def test_long_output_is_complete(capfd):
    with filtered_output():
        for _ in range(200):
            os.write(2, b"x" * 999 + b"\n")
    assert capfd.readouterr().err == ("x" * 999 + "\n") * 200

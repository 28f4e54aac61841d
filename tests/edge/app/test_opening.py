"""Opening the sources of the options."""

import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from queue import Queue

import pytest

from edge.app.camera_options import parse
from edge.app.opening import Opening, open_sources, options_of_cameras
from edge.app.per_source import options_of
from edge.core.errors import InputError
from edge.video.capture import DEFAULT_OPTIONS
from edge.video.sources import comes_back


def given(*options):
    """The options of each source."""
    return options_of(parse(["m.tflite", *options], "", ""))


def test_sources_are_closed_with_the_stack(tmp_path):
    with ExitStack() as stack:
        pair = open_sources(given("--source", "a=shapes", "--source", "shapes"), stack)
        assert [source.name for source in pair] == ["shapes", "shapes"]
        assert all(next(source.frames).image.any() for source in pair)


def test_a_file_that_is_missing_is_refused_beside_others(tmp_path):
    options = ("--source", "shapes", "--source", str(tmp_path / "gone.mp4"))
    with pytest.raises(InputError, match=r"gone\.mp4"), ExitStack() as stack:
        open_sources(given(*options), stack)


def test_a_pipeline_without_gstreamer_is_refused_beside_others(monkeypatch):
    """It would never come."""
    monkeypatch.setattr("cv2.videoio_registry.hasBackend", lambda _: False)
    for source in ("a=videotestsrc ! appsink", "csi"):
        options = given("--source", "shapes", "--source", source)
        with pytest.raises(InputError, match="has no GStreamer"), ExitStack() as stack:
            open_sources(options, stack)


@pytest.mark.parametrize(
    ("source", "later"),
    [("rtsp://camera/x", True), ("99", True), ("a.mp4", False), ("rtsp://[x", False)],
)
def test_what_may_be_there_later(source, later):
    assert comes_back(source) == later


@contextmanager
def silent_server():
    """The port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=9) as server:
        yield server.getsockname()[1]


def test_sources_that_do_not_answer_are_waited_for_together(monkeypatch):
    """None of them opens, so that the program does not start."""
    monkeypatch.setattr("edge.video.capture.OPEN_MILLIS", 2000)
    with silent_server() as port:
        options = ["--source", f"tcp://127.0.0.1:{port}"] * 5
        start = time.monotonic()
        with pytest.raises(InputError, match="tcp://127.0.0.1"):
            open_sources(given(*options), ExitStack())
    assert time.monotonic() - start < 5 * 2


def test_a_file_that_is_missing_is_refused_before_a_stream_answers(tmp_path):
    with silent_server() as port:
        sources = f"tcp://127.0.0.1:{port}", str(tmp_path / "gone.mp4")
        options = [text for source in sources for text in ("--source", source)]
        start = time.monotonic()
        with pytest.raises(InputError, match=r"gone\.mp4"), ExitStack() as stack:
            open_sources(given(*options), stack)
        assert time.monotonic() - start < 5  # the stream has 10 s


def test_a_source_that_opens_after_the_end_is_closed():
    release, closed, done = threading.Event(), threading.Event(), Queue()

    @contextmanager
    def slow(*_, **__):
        release.wait(9)
        yield "source"
        closed.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.app.opening.open_source", slow)
        opening = Opening("shapes", DEFAULT_OPTIONS, "shapes", done)
        opening.close()
        release.set()
        assert done.get(timeout=9) is opening and closed.is_set()


def test_options_of_cameras_are_for_those_that_are_cameras():
    options = ("--source", "a=shapes", "--source", "b=7", "--camera-fps", "9")
    assert [each.fps for each in options_of_cameras(given(*options))] == [None, 9]


def test_options_of_cameras_need_a_camera():
    options = ("--source", "a=shapes", "--source", "b=shapes", "--camera-fps", "9")
    with pytest.raises(InputError, match="source shapes: not a camera"):
        open_sources(given(*options), ExitStack())

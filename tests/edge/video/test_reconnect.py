"""Network streams sent by ffmpeg on loopback."""

import http.server
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core.errors import InputError
from edge.video.capture import CameraOptions, capture_of, open_stream, pipeline_of
from edge.video.reconnect import Video
from edge.video.sources import open_source
from tests.support.posix import needs_posix

SCRIPT = Path(__file__).resolve().parents[3] / "edge" / "camera_demo.py"
LONG = 60  # seconds, the time limit of tests that may hang
needs_ffmpeg = pytest.mark.skipif(
    not shutil.which("ffmpeg"), reason="ffmpeg is missing: apt-get install ffmpeg"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def sent(port: int, seconds: int = 60):
    """ffmpeg sends a test video over TCP to the first client."""
    image = f"testsrc=size=320x240:rate=25:duration={seconds}"
    command = ["ffmpeg", "-loglevel", "quiet", "-re", "-f", "lavfi", "-i", image]
    command += ["-c:v", "mpeg2video", "-f", "mpegts"]
    with subprocess.Popen([*command, f"tcp://127.0.0.1:{port}?listen=1"]) as process:
        try:
            yield process
        finally:
            process.kill()


def once(condition, what: str, *needed: subprocess.Popen):
    """Wait until `condition()` returns a true value, and return it.

    Fails if one of the needed processes ends before.
    """
    deadline = time.monotonic() + LONG
    while True:
        ended = [process for process in needed if process.poll() is not None]
        if given := condition():
            return given
        for process in ended:
            log = process.stderr.read() if process.stderr else ""
            pytest.fail(f"no {what}: {process.args} has ended. {log}")
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)


@contextmanager
def child(command: list[str]):
    """A process with readable stderr; it ends with the block."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_waiting_ends_with_the_process():
    begin = time.monotonic()
    with child([sys.executable, "-c", "raise SystemExit('no camera')"]) as process:
        with pytest.raises(pytest.fail.Exception, match="no frames: .*no camera"):
            once(lambda: False, "frames", process)
    assert time.monotonic() - begin < LONG / 2


@needs_ffmpeg
def test_a_stream_that_ends_is_reopened(reader, capfd):
    """Two consecutive senders are one source."""
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"

    with ExitStack() as senders:

        def new_sender():
            return senders.enter_context(sent(port, seconds=1))

        sender = new_sender()

        def video():
            nonlocal sender
            if sender.poll() is not None:  # it had a client that gave up
                sender = new_sender()
            try:
                return Video(url, capture_of(url))
            except InputError:  # ffmpeg does not listen yet
                return None

        stream = once(video, "stream")
        assert stream.live
        frames = stream.frames()
        first = next(frames)
        assert first.image.shape == (240, 320, 3)
        while time.monotonic() < first.seconds + 1.5:
            waiting = threading.Thread(target=next, args=(frames,), daemon=True)
            waiting.start()
            waiting.join(0.5)
            if waiting.is_alive():
                break
    with sent(port, seconds=2) as sender:
        once(lambda: not waiting.is_alive(), "frames of the second", sender)
        assert next(frames).image.shape == (240, 320, 3)
    stream.close()
    log = capfd.readouterr().err.splitlines()
    assert log[0].endswith("no more frames; reopening it")
    assert "reopened after" in log[1]
    assert len(log) == 2


@pytest.mark.serial
@needs_ffmpeg
@pytest.mark.slow
@needs_posix
def test_the_camera_continues_after_an_interruption_of_five_seconds(
    reader, deeplab, tmp_path
):
    port, lines = free_port(), tmp_path / "frames.jsonl"

    def count() -> int:
        return lines.read_text(encoding="utf-8").count("\n") if lines.exists() else 0

    command = [
        *(sys.executable, str(SCRIPT), str(deeplab), "--headless"),
        *("--source", f"tcp://127.0.0.1:{port}", "--frames-json", str(lines)),
        *("--record", str(tmp_path / "seen.mp4")),
    ]
    with ExitStack() as stack:
        with sent(port) as sender:
            time.sleep(2)  # until the server listens
            process = stack.enter_context(child(command))
            once(lambda: count() > 3, "frames", sender, process)
        time.sleep(5)
        before = count()
        with sent(port) as sender:
            once(lambda: count() > before + 3, "frames later", sender, process)
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=LONG)
    assert process.returncode == 0, log
    assert log.count("no more frames; reopening it") == 1
    assert log.count("reopened after") == 1
    seconds = [
        json.loads(line)["seconds"]
        for line in lines.read_text(encoding="utf-8").splitlines()
    ]
    assert max(np.diff(seconds)) >= 5
    # The recording has the real duration, including the interruption.
    recording = cv2.VideoCapture(str(tmp_path / "seen.mp4"))
    frames, fps = (recording.get(p) for p in (cv2.CAP_PROP_FRAME_COUNT, 5))
    assert frames / fps == pytest.approx(seconds[-1], abs=1.5)


def test_a_video_file_at_a_url_is_not_live(reader, tmp_path):
    """It ends, and no frame is dropped."""
    writer = cv2.VideoWriter(
        str(tmp_path / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (64, 48)
    )
    for value in range(12):
        writer.write(np.full((48, 64, 3), 20 * value, np.uint8))
    writer.release()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    serves = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serves) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with open_source(f"http://127.0.0.1:{server.server_port}/a.mp4") as source:
            assert (source.live, source.endless) == (False, False)
            means = [frame.image.mean() for frame in source.frames]
        server.shutdown()
    assert means == pytest.approx(range(0, 240, 20), abs=6)


@pytest.mark.parametrize("scheme", ["tcp", "http", "rtsp"])
def test_a_missing_stream_is_one_line(reader, scheme, capfd):
    url = f"{scheme}://me:secret@127.0.0.1:{free_port()}/x"
    with pytest.raises(InputError, match="is the stream running") as error:
        with open_source(url):
            pass
    assert "secret" not in str(error.value)
    assert f"{scheme}://***@127.0.0.1" in str(error.value)
    assert capfd.readouterr().err == ""


def test_a_silent_server_times_out(reader, monkeypatch):
    monkeypatch.setattr("edge.video.capture.OPEN_MILLIS", 1000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(InputError, match="no video within 1 s"):
            open_stream(url, url)
        assert 0.9 < time.monotonic() - begin < 10


def accepted(server: socket.socket) -> socket.socket | None:
    """The connection of a client, if there is one."""
    try:
        return server.accept()[0]
    except BlockingIOError:
        return None


@needs_posix
def test_ctrl_c_works_while_a_stream_hangs(tmp_path):
    """Opening a stream can be interrupted."""
    model = tmp_path / "x.tflite"  # not read before the source is open
    model.touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        code = (
            f"import signal, sys; sys.path.insert(0, {str(SCRIPT.parents[1])!r})\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from edge.app import camera\n"
            "from edge.core.arguments import run\n"
            "from edge.core.native_calls import own_process\n"
            "own_process()\n"
            f"sys.argv[1:] = [{str(model)!r}, '--headless', '--source', {url!r}]\n"
            "run('camera_demo', camera.main)\n"
        )
        with child([sys.executable, "-c", code]) as process:
            server.setblocking(False)
            # Once there is a connection, OpenCV is inside its call.
            connection = once(lambda: accepted(server), "connection", process)
            time.sleep(0.5)
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, log = process.communicate(timeout=LONG)
            connection.close()
    assert time.monotonic() - begin < 8  # its own limit is 10 s
    assert (process.returncode, log) == (130, "camera_demo: stopped by Ctrl-C\n")


# Sources without hardware in tests


def test_pipelines_of_board_cameras():
    options = CameraOptions(size=(480, 640), fps=15)
    csi = pipeline_of("csi", "1", options)
    assert csi.startswith("nvarguscamerasrc sensor-id=1 ! ")
    assert "width=640,height=480,framerate=15/1" in csi
    pi = pipeline_of("picamera", None, CameraOptions())
    assert pi.startswith("libcamerasrc ! video/x-raw,width=1280,height=720")
    for pipeline in (csi, pi):  # the newest frame, in OpenCV's channel order
        assert "format=BGR ! appsink drop=true max-buffers=1" in pipeline


@pytest.mark.skipif(
    cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER), reason="OpenCV has GStreamer"
)
@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("csi", "python3-opencv"),
        ("csi:1", "python3-opencv"),
        ("picamera", "python3-picamera2"),
        ("videotestsrc ! videoconvert ! appsink", "python3-opencv"),
    ],
)
def test_without_gstreamer_the_message_has_the_remedy(source, remedy):
    with pytest.raises(InputError, match="has no GStreamer support") as error:
        with open_source(source):
            pass
    assert remedy in str(error.value)


@pytest.mark.parametrize(
    "fault",
    ["raise ValueError('numpy.dtype size changed')", "import libcamera_that_is_not"],
)
def test_a_picamera2_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, fault):
    """As if built for NumPy 1 and used with NumPy 2, or without system packages."""
    (tmp_path / "picamera2.py").write_text(fault, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    with pytest.raises(
        InputError, match="^picamera: Picamera2 cannot be imported"
    ) as error:
        with open_source("picamera"):
            pass
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("source", ["shapes", "a.mp4", "tcp://127.0.0.1:1", "."])
def test_camera_options_need_a_camera(source):
    with pytest.raises(InputError, match="--camera"):
        with open_source(source, CameraOptions(fps=5)):
            pass

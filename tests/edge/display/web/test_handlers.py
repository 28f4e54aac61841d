"""Access, answers to requests, and the command with --serve."""

import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge.app.camera import listener_of
from edge.app.camera_options import parse
from edge.core.errors import InputError
from edge.video.frames import Source
from tests.support.posix import needs_posix
from tests.support.viewer import (
    LONG,
    SIZE,
    asked,
    get,
    handshake,
    images_of,
    make_frames,
    running,
    scene,
    snapshot,
    talk,
    until,
)

SCRIPT = Path(__file__).resolve().parents[4] / "edge" / "camera_demo.py"


# Access


def test_other_addresses_need_the_token_even_locally():
    with running(scene(), "0.0.0.0:0") as (shown, loop):
        listener = shown.listener
        wrong = "x" * len(listener.token)
        for path in ("/", "/stream.mjpg", "/snapshot.png", "/link"):
            for query in (
                "",
                f"?token={wrong}",
                "?token=",
                f"?token={listener.token}x",
            ):
                answer = get(shown, path + query)
                assert answer.status == 403, (path, query)
                assert b"with its token" in answer.body
                assert b"Authorization: Bearer TOKEN" in answer.body
            cookie = {"Cookie": f"{listener.cookie}={wrong}"}
            assert get(shown, path, **cookie).status == 403
        assert handshake(shown) == 403
        # The printed URL grants access and moves the token to a cookie.
        answer = get(shown, f"/?token={listener.token}")
        assert (answer.status, answer.headers["Location"]) == (302, "./")
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        assert "HttpOnly" in answer.headers["Set-Cookie"]
        assert get(shown, "/", Cookie=cookie).status == 200
        until(lambda: loop.rate.count, "no frames")
        assert snapshot(shown, Cookie=cookie).shape == (*SIZE, 3)
        assert get(shown, f"/snapshot.png?token={listener.token}").status == 200
        hello = talk(shown, lambda link: link.read_message(), Cookie=cookie)
        assert json.loads(hello)["source"] == "street"


def test_pages_of_other_origins_are_rejected():
    """By host name, even if it resolves to 127.0.0.1, and by a WebSocket's origin."""
    with running(scene()) as (shown, _):
        port = shown.listener.port
        for path in ("/", "/stream.mjpg", "/snapshot.png", "/link"):
            assert get(shown, path, Host=f"evil.example:{port}").status == 403
        for host in (f"localhost:{port}", "127.0.0.9", "[::1]:80"):
            assert get(shown, "/", Host=host).status == 200
        assert handshake(shown, Origin="http://evil.example") == 403
        assert handshake(shown, Origin="http://[::1") == 403
        assert handshake(shown, Origin=f"http://127.0.0.1:{port}") == 101


def test_invalid_requests_are_answered_in_one_line():
    with running(scene()) as (shown, loop):
        assert get(shown, "/../../etc/passwd").status == 404
        with socket.create_connection(("127.0.0.1", shown.listener.port)) as caller:
            caller.sendall(b"\x16\x03\x01\x00\xff nonsense\r\n\r\n")
            assert caller.recv(100).partition(b"\r\n")[0] in (
                b"HTTP/1.1 400 Bad Request",
                b"",
            )
        before = loop.rate.count
        until(lambda: loop.rate.count > before, "the loop has stopped")
        assert get(shown, "/").status == 200


def test_before_the_first_frame_the_page_is_told_so():
    away = threading.Event()
    away.set()
    try:
        with running(Source(make_frames(away=away), "file")) as (shown, _):
            hello = json.loads(talk(shown, lambda link: link.read_message()))
            assert (hello["waiting"], hello["fps"]) == ("the first frame", 0)
            answer = get(shown, "/snapshot.png")
            assert answer.status == 503
            assert b"No frame has been captured" in answer.body
            away.clear()
    finally:
        away.clear()


@pytest.mark.parametrize(
    "message",
    ["", "[]", "{}", "nonsense", '{"hide": 2}', '{"hide": -1}', '{"hide": [1]}']
    + ['{"hide": {"a": 1}}', '{"opacity": 2}', '{"opacity": NaN}', '{"quit": true}']
    + ['{"outlines": 1}', '{"outlines": true, "legend": true}', '"hide"', "9" * 2000],
)
def test_a_page_that_sends_invalid_messages_is_disconnected(message, running_web):
    async def say(link):
        await link.read_message()
        await link.write_message(message)
        while await link.read_message() is not None:
            pass
        return link.close_code

    before = running_web.first.controls.view
    assert talk(running_web, say) in (1003, 1009)
    assert running_web.first.controls.view == before


# The command


def demo(*arguments):
    """The command as a process; its stderr can be read line by line."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@needs_posix
def test_the_command_serves_and_ends_without_delay(deeplab):
    """As on a board: shapes, segmented by a real network in another process."""
    with demo(deeplab, "--source", "shapes", "--serve", "0") as process:
        try:
            lines = iter(process.stderr.readline, "")
            url = next(line.split()[1] for line in lines if line.startswith("view "))
            port = int(url.rstrip("/").rpartition(":")[2])
            with asked(port, "/stream.mjpg") as answer:
                seen = list(itertools.islice(images_of(answer), 3))
                process.send_signal(signal.SIGTERM)  # while there is a viewer
                start = time.monotonic()
                table, log = process.communicate(timeout=LONG)
                ended = time.monotonic() - start
            indices = [index for index, _ in seen]
            assert indices == sorted(set(indices))
            assert {view.shape for _, view in seen} == {(480, 640, 3)}
            assert ended < 10  # time for a frame and the interpreter's exit
        finally:
            process.kill()
    assert process.returncode == 0, log
    assert "Traceback" not in log
    assert "draw" in table


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--serve", "8080:1.2.3.4"], "--serve 8080:1.2.3.4: write PORT"),
        (["--serve", "0", "--token", "short"], "--token: use at least 8"),
        (["--token", "open-sesame"], "--token needs --serve"),
    ],
)
def test_invalid_use_is_an_error(options, message):
    with pytest.raises(InputError, match=message):
        listener_of(parse(["no.tflite", *options], "camera_demo.py", None))


def test_without_tornado_the_message_says_what_to_install():
    code = (
        "import runpy, sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Without(PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, *more):\n"
        "        if name != 'tornado': return super().find_spec(name, *more)\n"
        "sys.meta_path[sys.meta_path.index(PathFinder)] = Without\n"
        "sys.argv = ['camera_demo.py', 'no.tflite', '--serve', '0']\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    expected = "camera_demo: --serve needs Tornado; pip install 'tornado>=6.2,<7'\n"
    assert done.stderr == expected

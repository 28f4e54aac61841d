"""The page's server, before real readers, and the page in a real browser."""

import asyncio
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from edge.app.camera import door_of, parse
from edge.app.loop import CameraLoop
from edge.core.errors import InputError
from edge.display.draw import blurred
from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import View
from edge.display.web import handlers
from edge.display.web.access import listen
from edge.display.web.server import GOODBYE, Web, changed, encoded
from edge.model_file.info import ModelInfo
from edge.predict.results import SemanticMap
from edge.predict.semantic import SemanticPredictor
from edge.video.frames import PATIENCE, Frame, Source
from tests.support.engines import ArrayEngine

pytest.importorskip("tornado", reason="Tornado is missing: pip install tornado")


SCRIPT = Path(__file__).resolve().parents[4] / "edge" / "camera_demo.py"
LONG = 60  # seconds: for what would otherwise hang for ever
SIZE = (240, 320)
NASTY = "car <img src=http://example.org/x.png onerror=alert(1)>"
INFO = ModelInfo(names=("dark", NASTY), colors=((0, 90, 255), (255, 0, 0)))
RED = [0, 0, 255]  # BGR


class Threshold(ArrayEngine):
    """An engine that labels bright pixels."""

    def __init__(self):
        super().__init__(SIZE)

    def labels(self, image: np.ndarray) -> np.ndarray:
        return (image[..., 0] > 127).astype(np.uint8)


def picture() -> np.ndarray:
    """Black with a white right half; in the right lower corner nothing is written."""
    frame = np.zeros((*SIZE, 3), np.uint8)
    frame[:, SIZE[1] // 2 :] = 255
    return frame


def shots(pause: float = 0.02, away=None):
    """Frames without end, a moment apart; none while the event `away` is set."""
    frame = picture()
    for index in itertools.count():
        while away and away.is_set():
            time.sleep(0.01)
        time.sleep(pause)
        yield Frame(frame, index * pause)


def noise():
    """Frames that no JPEG makes small."""
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for index in itertools.count():
        time.sleep(0.02)
        yield Frame(frame, index / 50)


@contextmanager
def running(source: Source, address="0", token=None, background=None):
    """(web, loop): the real loop in a thread, shown by the real server."""
    controls = Controls(View(opacity=1.0))
    shown = Web(listen(address, token), controls, INFO, background, source)
    loop = CameraLoop(source, SemanticPredictor(Threshold(), INFO), [shown], controls)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield shown, loop
    finally:
        controls.ended = True
        thread.join(LONG)
        shown.close()


def scene(**options) -> Source:
    return Source(shots(), "street", endless=True, **options)


def until(condition, what: str) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Answer(NamedTuple):
    status: int
    headers: Any
    body: bytes


@contextmanager
def asked(port: int, path: str, **headers: str):
    """An answer, its body not read yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG)
    with closing(connection):
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as answer:
            yield answer


def get(shown: Web, path: str, **headers: str) -> Answer:
    with asked(shown.door.port, path, **headers) as answer:
        if path.startswith("/stream") and answer.status == 200:
            return Answer(200, answer.headers, b"")
        return Answer(answer.status, answer.headers, answer.read())


def stream(shown: Web):
    return asked(shown.door.port, "/stream.mjpg")


def pictures_of(answer):
    """(index, picture) of each part of the stream."""
    assert answer.readline() == b"--kseg-frame\r\n"
    while True:
        head = {}
        while (line := answer.readline().strip()) != b"":
            name, _, value = line.partition(b": ")
            head[name] = value
        assert head[b"Content-Type"] == b"image/jpeg"
        jpeg = answer.read(int(head[b"Content-Length"]))
        yield int(head[b"X-Frame"]), cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)
        assert answer.readline() == b"\r\n"
        assert answer.readline() == b"--kseg-frame\r\n"


@contextmanager
def one_who_never_reads(shown: Web):
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", shown.door.port))
        caller.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield caller


def snapshot(shown: Web, **headers) -> np.ndarray:
    data = get(shown, "/snapshot.png", **headers).body
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def talk(shown: Web, work, **headers):
    """What the coroutine `work(link)` gives, `link` being a page's WebSocket."""

    async def main():
        url = f"ws://127.0.0.1:{shown.door.port}/link"
        link = await websocket_connect(HTTPRequest(url, headers=headers))
        try:
            return await asyncio.wait_for(work(link), LONG)
        finally:
            link.close()
            while link.close_code is None:  # until the other side has closed too
                if await asyncio.wait_for(link.read_message(), LONG) is None:
                    break

    return asyncio.run(main())


def handshake(shown: Web, **headers: str) -> int:
    """The status with which the server answers one who wants a WebSocket."""
    wish = {"Connection": "Upgrade", "Upgrade": "websocket"}
    wish |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": 22 * "A" + "=="}
    return get(shown, "/link", **wish, **headers).status


async def state_where(link, holds) -> dict:
    """The first state that a page is told and for which `holds(state)`."""
    while True:
        message = await link.read_message()
        assert message is not None, "the link was closed"
        if isinstance(message, str) and holds(state := json.loads(message)):
            return state


# The loop does not notice


def test_nothing_is_drawn_until_somebody_looks_nor_after():
    with running(scene()) as (shown, loop):
        until(lambda: loop.rate.count > 3, "no frames")
        assert not shown.wants_view
        assert "draw" not in loop.predictor.stages.summary()
        with stream(shown) as answer:
            _, view = next(pictures_of(answer))
            assert shown.wants_view
            assert np.abs(view[-9, -9].astype(int) - RED).max() < 9  # JPEG is not exact
        until(lambda: not shown.wants_view, "it is still drawn for nobody")


@pytest.mark.serial
def test_taking_a_frame_takes_no_time():
    """In time of the thread itself, which other processes do not change."""
    frame, labels = picture(), np.zeros(SIZE, np.uint8)
    seen = DisplayFrame(0, 0.0, frame, SemanticMap(labels), frame, {})
    shown = Web(listen("0"), Controls(View()), INFO, None, scene())
    with ExitStack() as stack:
        stack.callback(shown.close)
        for readers in (0, 10):
            for _ in range(readers):
                stack.enter_context(stream(shown))
            before = time.thread_time()
            for _ in range(200):
                shown.take(seen)
            assert (time.thread_time() - before) / 200 < 1e-3


@pytest.mark.serial
def test_ten_viewers_and_one_who_never_reads(monkeypatch):
    monkeypatch.setattr(handlers, "STALLED", 2.0)
    enough = threading.Event()
    seen = [[] for _ in range(10)]

    def read(answer, indices):
        for index, view in pictures_of(answer):
            assert view.shape == (480, 640, 3)
            indices.append(index)
            if enough.is_set():
                return

    with running(Source(noise(), "noise", endless=True)) as (shown, loop):
        with one_who_never_reads(shown), ExitStack() as stack:
            until(lambda: shown.wants_view, "the staller was not let in")
            stack.callback(enough.set)
            readers = []
            for indices in seen:
                arguments = stack.enter_context(stream(shown)), indices
                readers.append(threading.Thread(target=read, args=arguments))
                readers[-1].start()
            until(lambda: len(shown.pictures.readers) == 10, "the staller stayed")
            until(lambda: min(map(len, seen)) >= 8, "someone sees nothing")
            enough.set()
            for reader in readers:
                reader.join(LONG)
            # Now ten do not read, and the loop goes on beside them.
            before = loop.rate.count
            until(lambda: loop.rate.count > before + 20, "the loop waits for viewers")
            until(lambda: not shown.wants_view, "those who stopped reading stayed")
    for indices in seen:
        assert indices == sorted(set(indices))


def brighter():
    """Frames that show by their brightness which they are."""
    for index in range(256):
        time.sleep(0.05)
        yield Frame(np.full((*SIZE, 3), index, np.uint8), index / 20)


@pytest.mark.serial
def test_a_slow_viewer_gets_the_newest_picture_not_the_next():
    with running(Source(brighter(), "brighter")) as (shown, loop):
        loop.controls.view = View(opacity=0, legend=False)

        async def slow(link):
            late = []
            for count in (10, 20, 30):
                while loop.rate.count < count:
                    await asyncio.sleep(0.01)
                asked_at = loop.rate.count
                await link.write_message("next")
                while isinstance(jpeg := await link.read_message(), str):
                    pass
                view = cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)
                late.append(asked_at - int(view[9, 9, 0]))
            kinds = [type(await link.read_message()) for _ in range(2)]
            return late, kinds

        late, kinds = talk(shown, slow)
    assert max(late) <= 4, late  # in frames; what was drawn between is left out
    assert kinds == [str, str]  # no picture comes that was not asked for


# Who may come in


def test_beyond_loopback_the_token_is_asked_for_even_from_here():
    with running(scene(), "0.0.0.0:0") as (shown, loop):
        door = shown.door
        wrong = "x" * len(door.token)
        for path in ("/", "/stream.mjpg", "/snapshot.png", "/link"):
            for query in ("", f"?token={wrong}", "?token=", f"?token={door.token}x"):
                answer = get(shown, path + query)
                assert answer.status == 403, (path, query)
                assert b"with its token" in answer.body
            cookie = {"Cookie": f"{door.cookie}={wrong}"}
            assert get(shown, path, **cookie).status == 403
        assert handshake(shown) == 403
        # The address that was printed leads in, and the token out of sight.
        answer = get(shown, f"/?token={door.token}")
        assert (answer.status, answer.headers["Location"]) == (302, "./")
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        assert "HttpOnly" in answer.headers["Set-Cookie"]
        assert get(shown, "/", Cookie=cookie).status == 200
        until(lambda: loop.rate.count, "no frames")
        assert snapshot(shown, Cookie=cookie).shape == (*SIZE, 3)
        assert get(shown, f"/snapshot.png?token={door.token}").status == 200
        hello = talk(shown, lambda link: link.read_message(), Cookie=cookie)
        assert json.loads(hello)["source"] == "street"


def test_pages_of_others_get_nothing():
    """Neither by a name that leads to 127.0.0.1, nor by a WebSocket from elsewhere."""
    with running(scene()) as (shown, _):
        port = shown.door.port
        for path in ("/", "/stream.mjpg", "/snapshot.png", "/link"):
            assert get(shown, path, Host=f"evil.example:{port}").status == 403
        for host in (f"localhost:{port}", "127.0.0.9", "[::1]:80"):
            assert get(shown, "/", Host=host).status == 200
        assert handshake(shown, Origin="http://evil.example") == 403
        assert handshake(shown, Origin=f"http://127.0.0.1:{port}") == 101


def test_bad_requests_are_answered_in_a_line_and_harm_nothing():
    with running(scene()) as (shown, loop):
        assert get(shown, "/../../etc/passwd").status == 404
        with socket.create_connection(("127.0.0.1", shown.door.port)) as caller:
            caller.sendall(b"\x16\x03\x01\x00\xff nonsense\r\n\r\n")
            assert caller.recv(100).partition(b"\r\n")[0] in (
                b"HTTP/1.1 400 Bad Request",
                b"",
            )
        before = loop.rate.count
        until(lambda: loop.rate.count > before, "the loop has stopped")
        assert get(shown, "/").status == 200


# What the page is told, and what it switches


def test_the_page_is_told_numbers():
    with running(scene()) as (shown, loop):

        def full(_):
            return loop.rate.count > 30

        state = talk(shown, lambda link: state_where(link, full))
    assert 0 < state["fps"] < 60
    assert {"capture", "inference"} <= set(state["millis"])
    assert state["shares"] == {"dark": 0.5, NASTY: 0.5}
    assert (state["waiting"], state["paused"], state["hidden"]) == ("", False, [])


def test_a_switch_is_seen_by_all_who_look():
    with running(scene()) as (shown, loop):
        until(lambda: loop.rate.count, "no frames")
        assert snapshot(shown)[-9, -9].tolist() == RED

        async def hide(link):
            await link.write_message(json.dumps({"hide": 1}))
            return await state_where(link, lambda state: state["hidden"])

        assert talk(shown, hide)["hidden"] == [1]
        assert loop.controls.view.hidden == {1}
        until(lambda: snapshot(shown)[-9, -9].tolist() == [255] * 3, "it is still red")


def test_whoever_comes_while_it_is_paused_sees_the_frame_that_stands():
    with running(scene()) as (shown, loop):
        until(lambda: loop.rate.count > 3, "no frames")

        async def pause(link):
            await link.write_message(json.dumps({"paused": True}))
            return await state_where(link, lambda state: state["paused"])

        talk(shown, pause)
        with stream(shown) as answer:  # nothing was drawn so far
            _, view = next(pictures_of(answer))
        assert np.abs(view[-9, -9].astype(int) - RED).max() < 9
        assert snapshot(shown)[-9, -9].tolist() == RED
        count = loop.rate.count
        loop.controls.view = changed(loop.controls.view, {"opacity": 0}, INFO)
        until(lambda: snapshot(shown)[-9, -9].tolist() == [255] * 3, "it is still red")
        assert loop.rate.count <= count + 1


@pytest.mark.slow
def test_the_page_is_told_that_a_live_source_is_away_and_back():
    away = threading.Event()
    source = Source(shots(away=away), "door", live=True, endless=True)
    with running(source) as (shown, _):

        async def watch(link):
            await state_where(link, lambda state: state["fps"])
            away.set()
            start = time.monotonic()
            waiting = await state_where(link, lambda state: state["waiting"])
            gone = time.monotonic() - start
            away.clear()
            await state_where(link, lambda state: not state["waiting"])
            return waiting["waiting"], gone

        name, gone = talk(shown, watch)
    assert name == "door"
    assert gone >= PATIENCE - 0.5


def test_before_the_first_frame_it_says_so():
    away = threading.Event()
    away.set()
    try:
        with running(Source(shots(away=away), "file")) as (shown, _):
            hello = json.loads(talk(shown, lambda link: link.read_message()))
            assert (hello["waiting"], hello["fps"]) == ("the first frame", 0)
            answer = get(shown, "/snapshot.png")
            assert answer.status == 503
            assert b"no frame yet" in answer.body
            away.clear()
    finally:
        away.clear()


def test_every_switch():
    view = View()
    assert changed(view, {"hide": 1}, INFO).hidden == {1}
    assert changed(View(hidden=frozenset({0, 1})), {"show": 1}, INFO).hidden == {0}
    assert changed(view, {"hide": "all"}, INFO).hidden == {0, 1}
    assert changed(View(hidden=frozenset({1})), {"show": "all"}, INFO).hidden == set()
    assert changed(view, {"opacity": 0.25}, INFO).opacity == 0.25
    assert changed(view, {"outlines": True}, INFO).outlines
    assert not changed(view, {"legend": False}, INFO).legend
    behind = changed(view, {"background": True}, INFO, blurred)
    assert behind.background is blurred
    assert changed(behind, {"background": False}, INFO, blurred).background is None


@pytest.mark.parametrize(
    "message",
    ["", "[]", "{}", "nonsense", '{"hide": 2}', '{"hide": -1}', '{"hide": [1]}']
    + ['{"hide": {"a": 1}}', '{"opacity": 2}', '{"opacity": NaN}', '{"quit": true}']
    + ['{"outlines": 1}', '{"outlines": true, "legend": true}', '"hide"', "9" * 2000],
)
def test_a_page_that_talks_nonsense_is_let_go(message, running_web):
    async def say(link):
        await link.read_message()
        await link.write_message(message)
        while await link.read_message() is not None:
            pass
        return link.close_code

    before = running_web.controls.view
    assert talk(running_web, say) in (1003, 1009)
    assert running_web.controls.view == before


@pytest.fixture(scope="module")
def running_web():
    with running(scene()) as (shown, _):
        yield shown


def test_large_pictures_are_made_smaller_for_the_stream():
    jpeg = np.frombuffer(encoded(np.zeros((1000, 2560, 3), np.uint8)), np.uint8)
    assert cv2.imdecode(jpeg, 1).shape == (500, 1280, 3)


# How it ends


@pytest.mark.serial
def test_the_end_is_told_and_takes_no_time():
    threads = threading.active_count()
    with running(Source(noise(), "noise", endless=True)) as (shown, loop):
        port = shown.door.port
        with one_who_never_reads(shown), stream(shown):
            until(lambda: len(shown.pictures.readers) == 2, "not let in")

            async def watch(link):
                await link.read_message()
                loop.controls.ended = True
                closing = threading.Thread(target=shown.close)
                start = time.monotonic()
                closing.start()
                await state_where(link, lambda state: state.get("ended"))
                while closing.is_alive():
                    await asyncio.sleep(0.01)
                return time.monotonic() - start

            assert talk(shown, watch) < GOODBYE
    until(lambda: threading.active_count() <= threads, "a thread was left")
    with pytest.raises(ConnectionRefusedError), asked(port, "/"):
        pass


# The command


def demo(*arguments):
    """The command as a process; its lines of stderr can be read as they come."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name != "posix", reason="signals are those of Unix")
def test_the_command_serves_and_ends_at_once(deeplab):
    """As on a board: shapes, segmented by a real network in another process."""
    with demo(deeplab, "--source", "shapes", "--serve", "0") as process:
        try:
            lines = iter(process.stderr.readline, "")
            url = next(line.split()[1] for line in lines if line.startswith("view "))
            port = int(url.rstrip("/").rpartition(":")[2])
            with asked(port, "/stream.mjpg") as answer:
                seen = list(itertools.islice(pictures_of(answer), 3))
                process.send_signal(signal.SIGTERM)  # while somebody looks
                start = time.monotonic()
                table, said = process.communicate(timeout=LONG)
                ended = time.monotonic() - start
            indices = [index for index, _ in seen]
            assert indices == sorted(set(indices))
            assert {view.shape for _, view in seen} == {(480, 640, 3)}
            assert ended < 10  # a frame, and the interpreter's end
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "draw" in table


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--serve", "8080:1.2.3.4"], "--serve 8080:1.2.3.4: write PORT"),
        (["--serve", "0", "--token", "short"], "--token: take at least 8"),
        (["--token", "open-sesame"], "--token: is for --serve"),
    ],
)
def test_bad_use_is_refused(options, named):
    with pytest.raises(InputError, match=named):
        door_of(parse(["no.tflite", *options]))


def test_without_tornado_it_says_what_to_install():
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
    expected = "camera_demo: --serve: needs Tornado: pip install 'tornado>=6.2,<7'\n"
    assert done.stderr == expected


# The page in a browser


WIDTHS = (390, 1280)  # a phone, a desk
SCHEMES = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}  # and the page
CLASS = "//ul[@id='classes']//label[contains(., '{}')]/input"
SHOWN = "return document.querySelector('#picture').naturalWidth"


@pytest.fixture
def page(browser, look):
    """`page(shown, scheme, width)` opens it and waits for the picture."""

    def open_page(shown: Web, scheme: str = "light", width: int = 1280) -> None:
        browser.get_log("browser")
        look(shown.door.url, scheme, width)
        until(lambda: browser.execute_script(SHOWN) == SIZE[1], "no picture")

    return open_page


@pytest.fixture(scope="module")
def by():
    return pytest.importorskip("selenium.webdriver.common.by").By


def colored(shown: Web, color) -> bool:
    return snapshot(shown)[-9, -9].tolist() == color


def test_a_class_switched_off_in_the_browser_vanishes(browser, page, by):
    with running(scene()) as (shown, _):
        page(shown)
        assert colored(shown, RED)
        box = browser.find_element(by.XPATH, CLASS.format("car"))
        assert box.is_selected()
        box.click()
        until(lambda: colored(shown, [255] * 3), "it is still red")
        browser.find_element(by.ID, "all").click()
        until(lambda: colored(shown, RED), "it is not red again")
        until(box.is_selected, "the page does not know")
        assert browser.get_log("browser") == []


def test_the_page_goes_by_keyboard(browser, page, by):
    from selenium.webdriver.common.keys import Keys

    with running(scene(), background=blurred) as (shown, loop):
        page(shown)
        focused, names = [], []
        for _ in range(10):
            browser.switch_to.active_element.send_keys(Keys.TAB)
            element = browser.switch_to.active_element
            focused.append(element.get_attribute("id"))
            names.append(element.accessible_name)
            if element.get_attribute("id") == "outlines":
                element.send_keys(Keys.SPACE)
                until(lambda: loop.controls.view.outlines, "no outlines")
            if element.get_attribute("id") == "opacity":
                element.send_keys(Keys.HOME)
                until(lambda: loop.controls.view.opacity == 0, "opacity stays")
    expected = ["snapshot", "pause", "opacity", "outlines", "background", "legend"]
    assert focused[:8] == [*expected, "all", "none"]
    assert all(names), names
    assert names[2:4] == ["Opacity", "Outlines"]


def test_numbers_pause_and_the_end_in_the_browser(browser, page, by):
    with running(scene()) as (shown, loop):
        page(shown)
        fps, notice = (browser.find_element(by.ID, name) for name in ("fps", "notice"))
        until(lambda: fps.text not in ("–", "0.0"), "no frames per second")
        first = fps.text
        until(lambda: fps.text != first, "the number stands still")
        assert "inference" in browser.find_element(by.ID, "stages").text
        assert not notice.is_displayed()
        browser.find_element(by.ID, "pause").click()
        until(lambda: notice.text == "Paused", "it does not say that it is paused")
        assert loop.controls.paused
        browser.find_element(by.ID, "pause").click()
        until(lambda: not notice.is_displayed(), "it does not go on")
    until(lambda: notice.text == "The runner has ended.", notice.text)
    assert not browser.find_element(by.ID, "outlines").is_enabled()


def test_the_snapshot_of_the_browser_is_a_file(browser, page, by, tmp_path):
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    with running(scene()) as (shown, _):
        page(shown)
        browser.find_element(by.ID, "snapshot").click()
        until(lambda: list(tmp_path.glob("kseg-*.png")), "no file")
        (path,) = tmp_path.glob("kseg-*.png")
        assert cv2.imread(str(path))[-9, -9].tolist() == RED
        assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_can_be_read(
    browser, page, contrasts_of, scheme, width, running_web, tmp_path
):
    page(running_web, scheme, width)
    across = browser.execute_script("return document.documentElement.scrollWidth")
    assert across <= width
    contrasts = contrasts_of()
    assert len(contrasts) > 12
    assert min(contrasts)[0] >= 4.5, min(contrasts)
    color = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(color) == SCHEMES[scheme]
    assert browser.get_log("browser") == []
    entries = [json.loads(entry["message"]) for entry in browser.get_log("performance")]
    sent = [e["message"] for e in entries]
    sent = [e["params"] for e in sent if e["method"] == "Network.requestWillBeSent"]
    begun = {e["request"]["url"].partition("?")[0] for e in sent}
    own = (running_web.door.url, f"blob:{running_web.door.url}")
    assert begun and all(url.startswith(own) for url in begun), begun
    browser.save_screenshot(str(tmp_path / "page.png"))


def test_with_the_token_the_browser_comes_in(browser, page):
    with running(scene(), "127.0.0.1:0", "open-sesame") as (shown, _):
        page(shown)  # by the address that was printed
        assert "sesame" not in browser.current_url

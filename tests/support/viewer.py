"""A camera loop with the real server of the browser view, and its clients."""

import asyncio
import http.client
import itertools
import json
import socket
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from edge.app.feed import Feed
from edge.app.loop import CameraLoop
from edge.app.parallel import with_engine
from edge.display.sinks import Controls
from edge.display.view import View
from edge.display.web.access import listen
from edge.display.web.server import Web
from edge.display.web.shown_source import ShownSource
from edge.display.web.zone_store import ZoneStore
from edge.events.conditions import Comparison, Quantity
from edge.events.engine import Engine
from edge.events.rule import Rule
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo
from edge.predict.semantic import SemanticPredictor
from edge.video.frames import Frame, Source
from edge.zones.measuring import Measurer
from edge.zones.zone import Zone
from tests.support.engines import ArrayEngine

LONG = 60  # seconds, the time limit of tests that may hang
SIZE = (240, 320)
NASTY = "car <img src=http://example.org/x.png onerror=alert(1)>"
INFO = ModelInfo(class_names=("dark", NASTY), colors=((0, 90, 255), (255, 0, 0)))
RED = [0, 0, 255]  # BGR
RIGHT = Zone("right", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
LEFT = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]  # the points of a zone, as in JSON


class Threshold(ArrayEngine):
    """An engine that labels bright pixels."""

    def __init__(self):
        super().__init__(SIZE)

    def labels(self, image: np.ndarray) -> np.ndarray:
        return (image[..., 0] > 127).astype(np.uint8)


def half_white() -> np.ndarray:
    """Black with a white right half; no text is drawn in the lower right corner."""
    frame = np.zeros((*SIZE, 3), np.uint8)
    frame[:, SIZE[1] // 2 :] = 255
    return frame


def make_frames(pause: float = 0.02, away=None):
    """Endless frames at short intervals; none while the event `away` is set."""
    frame = half_white()
    for index in itertools.count():
        while away and away.is_set():
            time.sleep(0.01)
        time.sleep(pause)
        yield Frame(frame, index * pause)


def noise():
    """Frames that JPEG cannot compress."""
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for index in itertools.count():
        time.sleep(0.02)
        yield Frame(frame, index / 50)


@contextmanager
def running(
    source: Source,
    address="0",
    token=None,
    background=None,
    predictor=None,
    counter=None,
    watch=None,
    zones_file=None,
):
    """(web, feed): the real loop in a thread, with the real server."""
    zones = watch.zones if watch else ()
    controls = Controls(View(opacity=1.0, zones=zones))
    predictor = predictor or SemanticPredictor(Threshold(), INFO)
    info = predictor.info
    store = ZoneStore(watch, controls, zones_file) if watch else None
    sink = ShownSource(controls, info, background, source, store)
    shown = Web(listen(address, token), sink)
    options = {"counter": counter, "watch": watch}
    feed = Feed(source, predictor, [sink], controls, **options)
    thread = threading.Thread(target=CameraLoop(feed).run)
    thread.start()
    try:
        yield shown, feed
    finally:
        controls.ended = True
        thread.join(LONG)
        shown.close()


@contextmanager
def running_several(
    sources: dict[str, Source], watches: dict[str, Watch], files: dict[str, Path]
):
    """(web, loop): several sources with one network, in a thread, with the server."""
    predictor, sinks, feeds = SemanticPredictor(Threshold(), INFO), [], []
    for name, source in sources.items():
        source.given, watch = name, watches.get(name)
        controls = Controls(View(opacity=1.0, zones=watch.zones if watch else ()))
        store = ZoneStore(watch, controls, files.get(name)) if watch else None
        given = (controls, INFO, None, source, store)
        sinks.append(ShownSource(*given, name=name))
        own = with_engine(predictor, predictor.engine)
        given = (source, own, [sinks[-1]], controls)
        feeds.append(Feed(*given, watch=watch, name=name))
    shown, loop = Web(listen("0"), *sinks), CameraLoop(*feeds)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield shown, loop
    finally:
        feeds[0].controls.ended = True
        thread.join(LONG)
        shown.close()


def scene(**options) -> Source:
    return Source(make_frames(), "street", endless=True, **options)


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
def asked(port: int, path: str, method="GET", body=None, **headers: str):
    """An answer whose body has not been read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG)
    with closing(connection):
        connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            yield answer


def get(shown: Web, path: str, **headers: str) -> Answer:
    with asked(shown.listener.port, path, **headers) as answer:
        if path.startswith("/stream") and answer.status == 200:
            return Answer(200, answer.headers, b"")
        return Answer(answer.status, answer.headers, answer.read())


def request(shown: Web, method: str, path: str, body=None, **headers: str) -> Answer:
    """The answer to a request of any method."""
    with asked(shown.listener.port, path, method, body, **headers) as answer:
        return Answer(answer.status, answer.headers, answer.read())


def put_zones(shown: Web, zones: Any, **headers: str) -> Answer:
    """The answer to zones that are to be saved."""
    headers = {"Content-Type": "application/json", **headers}
    body = json.dumps({"zones": zones})
    return request(shown, "PUT", "/api/zones", body, **headers)


def stream(shown: Web):
    return asked(shown.listener.port, "/stream.mjpg")


def images_of(answer):
    """(index, image) of each part of the stream."""
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
        caller.connect(("127.0.0.1", shown.listener.port))
        caller.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield caller


def snapshot(shown: Web, **headers) -> np.ndarray:
    data = get(shown, "/snapshot.png", **headers).body
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def talk(shown: Web, work, **headers):
    """The result of the coroutine `work(link)`; `link` is a page's WebSocket."""

    async def main():
        url = f"ws://127.0.0.1:{shown.listener.port}/link"
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
    """The status of the server's answer to a WebSocket handshake."""
    wish = {"Connection": "Upgrade", "Upgrade": "websocket"}
    wish |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": 22 * "A" + "=="}
    return get(shown, "/link", **wish, **headers).status


async def state_where(link, holds) -> dict:
    """The first state that a page gets for which `holds(state)` is true."""
    while True:
        message = await link.read_message()
        assert message is not None, "the link was closed"
        if isinstance(message, str) and holds(state := json.loads(message)):
            return state


GLARE = Rule(
    name="glare",
    when="share(dark, frame) > 0.4",
    condition=Comparison(Quantity("share", "dark", "frame", "share(dark)"), ">", 0.4),
)


def watch_of(*zones: Zone, rules=(GLARE,), info=INFO) -> Watch:
    """Measures zones; the event `glare` runs as long as the scene is half dark."""
    return Watch(Measurer(info, zones), Engine(rules, "street"))

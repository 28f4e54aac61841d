"""The server of the browser view with real clients."""

import asyncio
import json
import threading
import time
from contextlib import ExitStack

import cv2
import numpy as np
import pytest

from edge.display.sinks import Controls, DisplayFrame
from edge.display.view import View
from edge.display.web import handlers
from edge.display.web.access import listen
from edge.display.web.server import CLOSE_SECONDS, Web
from edge.display.web.shown_source import ShownSource
from edge.display.web.switches import apply_switch
from edge.predict.results import SemanticMap
from edge.video.frames import STALL_SECONDS, Frame, Source
from tests.support.object_results import (
    INSTANCE,
    Counted,
    Repeated,
    instances,
)
from tests.support.viewer import (
    INFO,
    LONG,
    NASTY,
    RED,
    SIZE,
    asked,
    half_white,
    images_of,
    make_frames,
    noise,
    one_who_never_reads,
    running,
    scene,
    snapshot,
    state_where,
    stream,
    talk,
    until,
)

# Effect on the loop


def test_frames_are_drawn_only_while_there_are_viewers():
    with running(scene()) as (shown, loop):
        until(lambda: loop.rate.count > 3, "no frames")
        assert not shown.first.wants_view
        assert "draw" not in loop.predictor.stages.summary()
        with stream(shown) as answer:
            _, view = next(images_of(answer))
            assert shown.first.wants_view
            assert np.abs(view[-9, -9].astype(int) - RED).max() < 9  # JPEG is not exact
        until(
            lambda: not shown.first.wants_view, "frames are still drawn without viewers"
        )


@pytest.mark.serial
def test_take_does_not_wait():
    """In processor time of the thread, which other processes do not affect."""
    frame, labels = half_white(), np.zeros(SIZE, np.uint8)
    seen = DisplayFrame(0, 0.0, frame, SemanticMap(labels), frame, {})
    shown = Web(listen("0"), ShownSource(Controls(View()), INFO, None, scene()))
    with ExitStack() as stack:
        stack.callback(shown.close)
        for readers in (0, 10):
            for _ in range(readers):
                stack.enter_context(stream(shown))
            before = time.thread_time()
            for _ in range(200):
                shown.first.take(seen)
            assert (time.thread_time() - before) / 200 < 1e-3


@pytest.mark.serial
def test_ten_viewers_and_one_that_never_reads(monkeypatch):
    monkeypatch.setattr(handlers, "STALLED_SECONDS", 2.0)
    enough = threading.Event()
    seen = [[] for _ in range(10)]

    def read(answer, indices):
        for index, view in images_of(answer):
            assert view.shape == (480, 640, 3)
            indices.append(index)
            if enough.is_set():
                return

    with running(Source(noise(), "noise", endless=True)) as (shown, loop):
        with one_who_never_reads(shown), ExitStack() as stack:
            until(lambda: shown.first.wants_view, "the stalled viewer did not connect")
            stack.callback(enough.set)
            readers = []
            for indices in seen:
                arguments = stack.enter_context(stream(shown)), indices
                readers.append(threading.Thread(target=read, args=arguments))
                readers[-1].start()
            until(
                lambda: len(shown.first.images.readers) == 10,
                "the stalled viewer is still connected",
            )
            until(lambda: min(map(len, seen)) >= 8, "a viewer gets no images")
            enough.set()
            for reader in readers:
                reader.join(LONG)
            # Now ten viewers do not read, and the loop continues.
            before = loop.rate.count
            until(lambda: loop.rate.count > before + 20, "the loop waits for viewers")
            until(
                lambda: not shown.first.wants_view,
                "the viewers that stopped reading are still connected",
            )
    for indices in seen:
        assert indices == sorted(set(indices))


def brighter():
    """Frames with their index as brightness."""
    for index in range(256):
        time.sleep(0.05)
        yield Frame(np.full((*SIZE, 3), index, np.uint8), index / 20)


@pytest.mark.serial
def test_a_slow_viewer_gets_the_newest_image():
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
    assert max(late) <= 4, late  # in frames; frames drawn in between are skipped
    assert kinds == [str, str]  # no image is sent without a request


# State and changes of the view


def test_the_page_gets_the_state():
    with running(scene()) as (shown, loop):

        def full(_):
            return loop.rate.count > 30

        state = talk(shown, lambda link: state_where(link, full))
    assert 0 < state["fps"] < 60
    assert {"capture", "inference"} <= set(state["millis"])
    assert list(state["millis"])[-1] == "draw"  # although no frame was drawn
    assert state["shares"] == {"dark": 0.5, NASTY: 0.5}
    assert (state["waiting"], state["paused"], state["hidden"]) == ("", False, [])


def test_a_change_is_shown_to_all_viewers():
    with running(scene()) as (shown, loop):
        until(lambda: loop.rate.count, "no frames")
        assert snapshot(shown)[-9, -9].tolist() == RED

        async def hide(link):
            await link.write_message(json.dumps({"hide": 1}))
            return await state_where(link, lambda state: state["hidden"])

        assert talk(shown, hide)["hidden"] == [1]
        assert loop.controls.view.hidden == {1}
        until(lambda: snapshot(shown)[-9, -9].tolist() == [255] * 3, "it is still red")


def test_a_viewer_that_connects_while_paused_sees_the_frame():
    with running(scene()) as (shown, loop):
        until(lambda: loop.rate.count > 3, "no frames")

        async def pause(link):
            await link.write_message(json.dumps({"paused": True}))
            return await state_where(link, lambda state: state["paused"])

        talk(shown, pause)
        with stream(shown) as answer:  # nothing has been drawn yet
            _, view = next(images_of(answer))
        assert np.abs(view[-9, -9].astype(int) - RED).max() < 9
        assert snapshot(shown)[-9, -9].tolist() == RED
        count = loop.rate.count
        loop.controls.view = apply_switch(loop.controls.view, {"opacity": 0}, INFO)
        until(lambda: snapshot(shown)[-9, -9].tolist() == [255] * 3, "it is still red")
        assert loop.rate.count <= count + 1


@pytest.mark.slow
def test_the_page_is_told_when_a_live_source_stalls_and_resumes():
    away = threading.Event()
    source = Source(make_frames(away=away), "camera", live=True, endless=True)
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
    assert name == "camera"
    assert gone >= STALL_SECONDS - 0.5


def test_the_page_gets_numbers_of_objects_and_crossings():
    found = instances((0, 0.9, 20, 40, 60, 80), (0, 0.8, 9, 9, 30, 30), size=SIZE)
    predictor = Repeated(found, INSTANCE)
    with running(scene(), predictor=predictor, counter=Counted()) as (shown, loop):
        until(lambda: loop.rate.count > 3, "no frames")
        state = talk(shown, lambda link: state_where(link, lambda s: s["crossings"]))
        assert state["counts"] == {"dog": 2}
        assert "objects" not in state and "shares" not in state
        assert state["crossings"]["dog"]["up"] >= 3
        assert (state["masks"], state["boxes"]) == (True, True)
        # Half of the frame is white: the mask is drawn at opacity 1, in BGR.
        assert snapshot(shown)[60, 40].tolist() == [60, 0, 200]


# End


@pytest.mark.serial
def test_viewers_are_told_of_the_end_without_delay():
    threads = threading.active_count()
    with running(Source(noise(), "noise", endless=True)) as (shown, loop):
        port = shown.listener.port
        with one_who_never_reads(shown), stream(shown):
            until(lambda: len(shown.first.images.readers) == 2, "not connected")

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

            assert talk(shown, watch) < CLOSE_SECONDS
    until(lambda: threading.active_count() <= threads, "a thread is still running")
    with pytest.raises(ConnectionRefusedError), asked(port, "/"):
        pass

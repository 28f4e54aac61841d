"""The browser view of several sources: what programs get, and the page."""

import json
import threading
import time

import cv2
import numpy as np
import pytest

from edge.video.frames import Frame, Source
from tests.edge.display.web.test_routes import check_answer
from tests.support.viewer import (
    LEFT,
    LONG,
    RED,
    RIGHT,
    SIZE,
    asked,
    get,
    handshake,
    images_of,
    make_frames,
    put_zones,
    request,
    running,
    running_several,
    state_where,
    talk,
    until,
    watch_of,
)

ONE_SOURCE = ("/api/state", "/api/zones", "/api/snapshot.png", "/snapshot.png")
TEXT = "return document.querySelectorAll('.tile')[{}].textContent"
WIDTHS = "return [...document.querySelectorAll('.tile img')].map(i => i.naturalWidth)"


def white():
    """A few frames that are white, and then the end."""
    for index in range(5):
        time.sleep(0.05)
        yield Frame(np.full((*SIZE, 3), 255, np.uint8), index / 20)


@pytest.fixture
def away():
    """While it is set, the camera gives no frames."""
    return threading.Event()


@pytest.fixture
def served(away, tmp_path):
    """A camera, a file that has ended, and a camera that gives nothing."""
    nothing = threading.Event()
    nothing.set()
    live = {"live": True, "endless": True}
    sources = {
        "door": Source(make_frames(away=away), "rtsp://***@camera/live", **live),
        "film": Source(white(), "film.mp4"),
        "gate": Source(make_frames(away=nothing), "camera 7", **live),
    }
    watches = {"door": watch_of(RIGHT), "film": watch_of()}
    files = {"door": tmp_path / "door.json"}
    with running_several(sources, watches, files) as (shown, loop):
        shown.limit.most = shown.limit.per_second = 1e6  # these tests ask often
        until(lambda: loop.feeds[1].ended and loop.feeds[0].rate.count > 5, "no frames")
        yield shown, loop
        nothing.clear()


def read(shown, path):
    answer = get(shown, path)
    assert answer.status == 200, answer
    check_answer(path.partition("?")[0], "GET", answer)
    return json.loads(answer.body)


# Other programs


def test_the_list_of_sources(served):
    shown, loop = served
    door, film, gate = read(shown, "/api/sources")["sources"]
    assert [each["name"] for each in (door, film, gate)] == ["door", "film", "gate"]
    assert door["address"] == "rtsp://***@camera/live"
    assert door["frames"] > 5 and door["fps"] > 0 and door["age"] < LONG
    assert not door["finished"] and not door["waiting"]
    assert (film["frames"], film["finished"], film["waiting"]) == (5, True, "")
    assert film["fps"] == read(shown, "/api/state?source=film")["fps"] == 0  # by now
    metrics = get(shown, "/metrics").body.decode()
    assert 'kseg_frames_per_second{source="film"} 0.0' in metrics
    assert (gate["frames"], gate["age"]) == (0, None)
    assert gate["waiting"] == "the first frame"


def test_each_path_answers_for_the_source_that_is_named(served):
    shown, _ = served
    assert read(shown, "/api/state?source=door")["shares"]["dark"] == 0.5
    state = read(shown, "/api/state?source=film")
    assert (state["source"], state["finished"]) == ("film", True)
    assert "dark" not in state["shares"]
    views = {}
    for name in ("door", "film"):
        answer = get(shown, f"/api/snapshot.png?source={name}")
        views[name] = cv2.imdecode(np.frombuffer(answer.body, np.uint8), 1)
        kept = answer.headers["Content-Disposition"]
        assert f'filename="kseg-{name}-2' in kept
    assert views["film"][9, -9].tolist() == RED  # all of it is "bright"
    assert views["door"][120, 9].tolist() != RED
    assert get(shown, "/api/snapshot.png?source=gate").status == 503
    with asked(shown.listener.port, "/stream.mjpg?source=door") as answer:
        assert next(images_of(answer))[1].shape[:2] == SIZE


def test_without_a_name_or_with_a_wrong_one_nothing_is_guessed(served):
    shown, _ = served
    for path in ONE_SOURCE:
        answer = request(shown, "GET", path)
        assert answer.status == 400
        assert b"Name a source: ?source=door" in answer.body
        check_answer(path, "GET", answer)
        answer = request(shown, "GET", f"{path}?source=door2")
        assert answer.status == 404
        check_answer(path, "GET", answer)
    assert request(shown, "GET", "/api/events?source=x").status == 404
    assert request(shown, "GET", "/stream.mjpg").status == 400
    assert put_zones(shown, {}).status == 400
    assert handshake(shown) == 101  # of the page, which asks what there is


def test_zones_are_those_of_a_source(served, tmp_path):
    shown, loop = served
    path = "/api/zones?source=door"
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"zones": {"left": LEFT}})
    answer = request(shown, "PUT", path, body, **headers)
    assert answer.status == 200
    assert json.loads((tmp_path / "door.json").read_text(encoding="utf-8"))
    until(lambda: "left" in read(shown, path)["measures"], "not measured")
    assert read(shown, "/api/zones?source=film")["zones"] == {}
    assert [len(feed.controls.view.zones) for feed in loop.feeds] == [1, 0, 0]
    refused = request(shown, "PUT", "/api/zones?source=film", body, **headers)
    assert refused.status == 409 and b"--zones film=FILE" in refused.body


def test_events_of_all_sources_or_of_one(served):
    shown, _ = served
    (running,) = read(shown, "/api/events")["events"]
    assert running["running"] and running["source"] == "street"
    assert read(shown, "/api/events?source=film")["events"] == []


def test_metrics_have_the_label_of_their_source(served):
    parser = pytest.importorskip("prometheus_client.parser")
    shown, _ = served
    text = get(shown, "/metrics").body.decode()
    families = list(parser.text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    found = {
        f.name: {s.labels.get("source"): s.value for s in f.samples} for f in families
    }
    assert found["kseg_frames"]["film"] == 5 and found["kseg_frames"]["gate"] == 0
    assert set(found["kseg_last_frame_timestamp_seconds"]) == {"door", "film"}
    assert all(None not in samples for samples in found.values())


def test_a_change_of_the_view_is_one_of_all_sources(served):
    shown, loop = served

    async def change(link):
        await link.write_message('{"opacity": 0.25}')
        await state_where(link, lambda state: state["opacity"] == 0.25)
        await link.write_message('{"paused": true}')
        await state_where(link, lambda state: state["paused"])

    talk(shown, change)
    assert {feed.controls.view.opacity for feed in loop.feeds} == {0.25}
    assert all(feed.controls.paused for feed in loop.feeds)


def test_only_sources_with_viewers_are_drawn(served):
    shown, loop = served
    door = shown.find("door")
    assert not door.wants_view
    with asked(shown.listener.port, "/stream.mjpg?source=door") as answer:
        next(images_of(answer))
        assert door.wants_view and not shown.find("gate").wants_view


# The page


@pytest.fixture
def find(browser):
    by = pytest.importorskip("selenium.webdriver.common.by").By
    return lambda name: browser.find_element(by.ID, name)


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_the_page_shows_all_sources_and_enlarges_one(
    browser, look, find, contrasts_of, served, away, width, scheme
):
    shown, _ = served
    browser.get_log("browser")
    look(shown.listener.url, scheme, width)
    until(lambda: browser.execute_script(WIDTHS) == [SIZE[1], SIZE[1], 0], "no images")

    def text(number: int) -> str:
        return browser.execute_script(TEXT.format(number))

    until(lambda: " fps, " in text(0) and "glare" in text(0), text(0))
    assert text(0).startswith("doorrtsp://***@camera/live")
    assert "ended" in text(1) and "no picture yet" in text(2)
    across = browser.execute_script("return document.documentElement.scrollWidth")
    assert across <= width
    assert min(contrasts_of())[0] >= 4.5, min(contrasts_of())
    assert not find("snapshot").is_displayed() and not find("zones").is_displayed()
    away.set()
    until(lambda: "no picture since" in text(0), text(0))

    browser.find_element("class name", "tile").click()
    until(lambda: find("source").text.startswith("door"), "it is not enlarged")
    assert browser.current_url.endswith("#door")
    until(lambda: "no picture since" in find("notice").text, find("notice").text)
    away.clear()
    until(lambda: not find("notice").is_displayed(), "it does not come back")
    natural = "return document.querySelector('#image').naturalWidth"
    until(lambda: browser.execute_script(natural) == SIZE[1], "no image")
    until(lambda: "right" in find("zones").text, "no zones")
    assert find("snapshot").is_displayed() and not find("grid").is_displayed()

    browser.execute_script("location.hash = 'film'")
    until(lambda: find("fps").text == "0.0", "it has ended")
    until(lambda: find("zones").text.startswith("Zones\nframe"), find("zones").text)
    head = browser.find_element("class name", "zone-head").size
    assert head["width"] > 0.8 * find("zones").size["width"]  # below the title

    browser.execute_script("history.go(-2)")
    until(find("grid").is_displayed, "all are not shown again")
    assert not find("image").is_displayed()
    assert browser.get_log("browser") == []


def test_a_source_that_there_is_no_more_is_left(browser, look, find, served):
    """The program has started again, on the same port, without the source."""
    shown, loop = served
    look(f"{shown.listener.url}#gate", "light", 1280)
    until(lambda: find("source").text.startswith("gate"), "it is not shown")
    port = shown.listener.port
    loop.feeds[0].controls.ended = True
    shown.close()
    with running(Source(make_frames(), "street"), f"127.0.0.1:{port}"):
        until(lambda: find("source").text == "street", find("source").text)
        until(lambda: not find("back").is_displayed(), "there are no others")

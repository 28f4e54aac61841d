"""Zones drawn in a real browser, by real clicks and taps, and read from the file."""

import itertools
import json
import time
from contextlib import ExitStack
from threading import Event

import numpy as np
import pytest

from edge.display.web import server
from edge.video.frames import Frame, Source
from edge.zones.zone import Zone
from tests.support.viewer import (
    RIGHT,
    SIZE,
    half_white,
    running,
    scene,
    until,
    watch_of,
)

SPECK = Zone("speck", ((0.0, 0.0), (1e-4, 0.0), (0.0, 1e-4)))
CORNERS = ((0.2, 0.3), (0.6, 0.25), (0.5, 0.8))
SHOWN = "return document.querySelector('#image').naturalWidth"
SCREENS = ((390, "dark"), (1280, "light"))  # a phone, a desktop


@pytest.fixture
def actions(browser):
    module = pytest.importorskip("selenium.webdriver.common.action_chains")
    return lambda: module.ActionChains(browser, duration=20)


@pytest.fixture
def find(browser):
    by = pytest.importorskip("selenium.webdriver.common.by").By
    return lambda name: browser.find_element(by.ID, name)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "zones.json"


@pytest.fixture
def opened(browser, look, find, path):
    """`opened(width, *zones)`: the server, whose page the browser has opened."""
    with ExitStack() as stack:

        def open_page(width=1280, *zones, scheme="light", source=None):
            watch = watch_of(*zones)
            options = {"watch": watch, "zones_file": path}
            shown, _ = stack.enter_context(running(source or scene(), **options))
            browser.get_log("browser")
            look(shown.listener.url, scheme, width)
            until(lambda: browser.execute_script(SHOWN) == SIZE[1], "no image")
            until(find("zones").is_displayed, "no zones")
            return shown

        yield open_page


@pytest.fixture
def click(find, actions):
    """`click(x, y)` clicks on the picture, in shares of it; twice with `double`."""

    def at(x, y, double=False):
        overlay = find("overlay")
        size = overlay.rect
        away = round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])
        moved = actions().move_to_element_with_offset(overlay, *away)
        (moved.double_click() if double else moved.click()).perform()

    return at


def saved(path):
    return json.loads(path.read_text(encoding="utf-8"))["zones"]


def near(points):
    return [pytest.approx(point, abs=0.01) for point in points]


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_a_zone_is_drawn_by_clicks_and_saved(
    width, scheme, browser, opened, find, click, path, tmp_path, contrasts_of
):
    shown = opened(width, RIGHT, scheme=scheme)
    find("draw").click()
    for corner in CORNERS:
        click(*corner)
    browser.save_screenshot(str(tmp_path / "drawing.png"))
    click(*CORNERS[0])  # closes it
    until(find("zone-name").is_displayed, "it is not closed")
    assert browser.switch_to.active_element == find("zone-name")
    find("zone-name").send_keys("tür <b>")
    find("finish").click()
    until(lambda: not find("drawing").is_displayed(), "it is not saved")
    assert list(saved(path)) == ["right", "tür <b>"]
    assert saved(path)["tür <b>"] == near(CORNERS)
    until(lambda: "tür <b>" in find("zone-list").text, "it is not listed")
    assert "right" in find("zone-list").text
    assert [zone.name for zone in shown.first.controls.view.zones] == [
        "right",
        "tür <b>",
    ]
    across = browser.execute_script("return document.documentElement.scrollWidth")
    assert across <= width
    assert min(contrasts_of())[0] >= 4.5
    assert browser.get_log("browser") == []
    browser.save_screenshot(str(tmp_path / "saved.png"))


def test_a_double_click_closes_a_zone_and_enter_saves_it(opened, find, click, path):
    from selenium.webdriver.common.keys import Keys

    opened()
    find("draw").click()
    click(0, 0)  # on the edge of the picture
    click(0.5, 0)
    click(0.5, 0.999, double=True)
    until(find("zone-name").is_displayed, "it is not closed")
    find("zone-name").send_keys("left", Keys.ENTER)
    until(path.exists, "it is not saved")
    assert saved(path)["left"] == [[0, 0], pytest.approx([0.5, 0], abs=0.01)] + near(
        [(0.5, 1)]
    )


def test_a_zone_is_drawn_by_taps(browser, opened, find, path):
    opened(390)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        find("draw").click()
        place = browser.execute_script(
            "const r = document.querySelector('#overlay').getBoundingClientRect();"
            "return [r.x, r.y, r.width, r.height];"
        )
        for x, y in (*CORNERS, CORNERS[0]):
            point = {"x": place[0] + x * place[2], "y": place[1] + y * place[3]}
            for kind, points in (("touchStart", [point]), ("touchEnd", [])):
                touch = {"type": kind, "touchPoints": points}
                browser.execute_cdp_cmd("Input.dispatchTouchEvent", touch)
        until(find("zone-name").is_displayed, "it is not closed")
        find("zone-name").send_keys("by finger")
        find("finish").click()
        until(path.exists, "it is not saved")
    finally:
        off = {"enabled": False}
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", off)
    assert saved(path)["by finger"] == near(CORNERS)


def test_the_page_tells_the_servers_error_and_a_point_can_be_taken_back(
    opened, find, click, path
):
    opened()
    find("draw").click()
    for corner in ((0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8)):
        click(*corner)
    find("finish").click()
    find("finish").click()  # without a name
    until(lambda: find("zone-error").text == "Give the zone a name.", "")
    find("zone-name").send_keys("crossed")
    find("finish").click()
    until(lambda: "1 and 3 cross" in find("zone-error").text, "no error")
    assert not path.exists()
    for _ in range(3):  # opens it, and takes two corners back
        find("undo").click()
    assert not find("zone-error").is_displayed()
    assert not find("finish").is_enabled()
    click(0.2, 0.8)
    find("finish").click()
    find("finish").click()
    until(path.exists, "it is not saved")
    assert saved(path)["crossed"] == near([(0.2, 0.2), (0.8, 0.8), (0.2, 0.8)])


def test_drawing_is_cancelled_by_escape(browser, opened, find, click, path):
    from selenium.webdriver.common.keys import Keys

    opened()
    find("draw").click()
    click(0.5, 0.5)
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not find("overlay").is_displayed()
    assert not find("drawing").is_displayed() and not path.exists()
    find("draw").click()
    assert not find("undo").is_enabled()  # no corner is left


def test_a_zone_is_deleted_and_numbers_and_events_are_shown(
    browser, opened, find, path, tmp_path
):
    from selenium.webdriver.common.by import By

    opened(1280, RIGHT, SPECK)
    until(lambda: "100 %" in find("zone-list").text, "no share")
    assert "glare" in find("running").text and "share(dark) 0.5" in find("running").text
    browser.save_screenshot(str(tmp_path / "zones.png"))
    assert find("zone-list").text.endswith("nothing")  # no pixel's centre is in it
    button, _ = find("zone-list").find_elements(By.TAG_NAME, "button")
    assert button.accessible_name == "Delete the zone right"
    button.click()
    browser.switch_to.alert.dismiss()
    assert not path.exists()
    button.click()
    browser.switch_to.alert.accept()
    until(path.exists, "it is not saved")
    assert list(saved(path)) == ["speck"]
    until(lambda: "right" not in find("zone-list").text, "it is still listed")


def test_an_event_that_starts_moves_no_button(opened, find):
    dark = Event()

    def frames():
        white = np.full((*SIZE, 3), 255, np.uint8)
        for index in itertools.count():
            time.sleep(0.02)
            yield Frame(half_white() if dark.is_set() else white, index / 50)

    opened(1280, RIGHT, source=Source(frames(), "street", endless=True))
    assert "none" in find("running").text
    place = find("draw").location
    dark.set()
    until(lambda: "glare" in find("running").text, "no event")
    assert find("draw").location == place


def test_a_change_of_another_viewer_is_not_lost(opened, find, click, path, monkeypatch):
    shown = opened()
    monkeypatch.setattr(server, "STATE_SECONDS", 60.0)  # so that the page hears nothing
    find("draw").click()
    for corner in CORNERS:
        click(*corner)
    find("finish").click()
    find("zone-name").send_keys("mine")
    time.sleep(0.6)
    shown.first.zones.save([RIGHT])
    find("finish").click()
    until(lambda: "Save again" in find("zone-error").text, "no answer")
    assert list(saved(path)) == ["right"]
    find("finish").click()
    until(lambda: list(saved(path)) == ["right", "mine"], "one is lost")


def test_without_a_file_zones_are_shown_and_not_changed(browser, look, find):
    with running(scene(), watch=watch_of(RIGHT)) as (shown, _):
        look(shown.listener.url, "light", 1280)
        until(lambda: "right" in find("zone-list").text, "not listed")
        assert not find("draw").is_displayed()
        assert "Delete" not in find("zone-list").text

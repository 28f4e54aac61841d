"""The page in a real browser."""

import cv2
import pytest

from edge.display.draw import blurred
from edge.display.web.server import Web
from tests.support.browser import requested_urls
from tests.support.object_results import (
    DETECTION,
    INSTANCE,
    Counted,
    Repeated,
    detections,
    instances,
)
from tests.support.viewer import (
    RED,
    SIZE,
    running,
    scene,
    snapshot,
    until,
)

WIDTHS = (390, 1280)  # a phone, a desktop
SCHEMES = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}  # and the page
CLASS = "//ul[@id='classes']//label[contains(., '{}')]/input"
SHOWN = "return document.querySelector('#image').naturalWidth"


@pytest.fixture
def page(browser, look):
    """`page(shown, scheme, width)` opens it and waits for the image."""

    def open_page(shown: Web, scheme: str = "light", width: int = 1280) -> None:
        browser.get_log("browser")
        look(shown.listener.url, scheme, width)
        until(lambda: browser.execute_script(SHOWN) == SIZE[1], "no image")

    return open_page


@pytest.fixture(scope="module")
def by():
    return pytest.importorskip("selenium.webdriver.common.by").By


def colored(shown: Web, color) -> bool:
    return snapshot(shown)[-9, -9].tolist() == color


def test_a_class_hidden_in_the_browser_is_not_drawn(browser, page, by):
    with running(scene()) as (shown, _):
        page(shown)
        assert colored(shown, RED)
        box = browser.find_element(by.XPATH, CLASS.format("car"))
        assert box.is_selected()
        box.click()
        until(lambda: colored(shown, [255] * 3), "it is still red")
        browser.find_element(by.ID, "all").click()
        until(lambda: colored(shown, RED), "it is not red again")
        until(box.is_selected, "the page does not show it")
        assert browser.get_log("browser") == []


def test_the_button_keeps_a_frame(browser, page, by, tmp_path):
    from edge.app.capture import FrameCapture

    with running(scene()) as (shown, feed):
        sink = FrameCapture(tmp_path, shown.info, "street")
        feed.sinks.append(sink)
        shown.first.controls.capture = sink.keep
        page(shown)
        button = browser.find_element(by.ID, "capture")
        assert button.text == "Keep frame"
        button.click()
        until(lambda: button.text == "Kept", "no answer")
        until(lambda: button.text == "Keep frame", "the answer stays")
        sink.close()
        (image,) = tmp_path.glob("*.png")
        assert image.name == button.get_attribute("title")
        button.click()
        until(lambda: button.text == "Not kept", "no answer")
        assert "try again" in button.get_attribute("title")


def test_the_page_works_by_keyboard(browser, page, by):
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


def test_the_browser_shows_numbers_pause_and_end(browser, page, by):
    with running(scene()) as (shown, loop):
        page(shown)
        fps, notice = (browser.find_element(by.ID, name) for name in ("fps", "notice"))
        until(lambda: fps.text not in ("–", "0.0"), "no frames per second")
        first = fps.text
        until(lambda: fps.text != first, "the number does not change")
        assert "inference" in browser.find_element(by.ID, "stages").text
        assert not notice.is_displayed()
        pause = browser.find_element(by.ID, "pause")
        place = pause.location
        pause.click()
        until(lambda: notice.text == "Paused", "no notice that it is paused")
        assert loop.controls.paused and pause.location == place
        pause.click()
        until(lambda: not notice.is_displayed(), "it does not resume")
    until(lambda: notice.text == "The camera program has ended.", notice.text)
    assert not browser.find_element(by.ID, "outlines").is_enabled()


def test_the_browser_shows_objects(browser, page, by, tmp_path):
    """Numbers of objects, switches for masks and boxes, and crossings."""
    rows = (0, 0.9, 20, 40, 60, 80), (0, 0.8, 90, 9, 130, 30), (2, 0.7, 5, 5, 9, 9)
    predictor = Repeated(instances(*rows, size=SIZE), INSTANCE)
    with running(scene(), predictor=predictor, counter=Counted()) as (shown, loop):
        page(shown)
        classes, crossings = (
            browser.find_element(by.ID, name) for name in ("classes", "crossings")
        )
        until(lambda: classes.text.split() == ["dog", "2", "cat", "bird", "1"], "")
        until(lambda: "0 down" in crossings.text, "no crossings")
        assert crossings.text.startswith("dog")
        masks, boxes = (browser.find_element(by.ID, x) for x in ("masks", "boxes"))
        assert masks.is_selected() and boxes.is_selected()
        boxes.click()
        masks.click()
        until(lambda: not loop.controls.view.boxes, "boxes remain")
        until(lambda: not loop.controls.view.masks, "masks remain")
        until(lambda: snapshot(shown)[60, 40].tolist() == [0] * 3, "it is drawn")
        browser.save_screenshot(str(tmp_path / "objects.png"))
        assert browser.get_log("browser") == []


def test_the_browser_shows_only_controls_that_have_an_effect(browser, page, by):
    predictor = Repeated(detections(size=SIZE), DETECTION)
    for options, hidden in (
        ({}, {"masks", "boxes", "line"}),
        ({"predictor": predictor}, {"masks", "outlines", "opacity", "line"}),
    ):
        with running(scene(), **options) as (shown, _):
            page(shown)
            names = ("masks", "boxes", "outlines", "opacity", "line", "legend")
            found = {n: browser.find_element(by.ID, n).is_displayed() for n in names}
        assert {name for name in names if not found[name]} == hidden


def test_the_browser_downloads_a_snapshot(browser, page, by, tmp_path):
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
def test_the_page_is_readable(
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
    begun = {url.partition("?")[0] for url in requested_urls(browser)}
    own = (running_web.listener.url, f"blob:{running_web.listener.url}")
    assert begun and all(url.startswith(own) for url in begun), begun
    browser.save_screenshot(str(tmp_path / "page.png"))


def test_the_browser_gets_access_with_the_token(browser, page):
    with running(scene(), "127.0.0.1:0", "open-sesame") as (shown, _):
        page(shown)  # with the printed URL
        assert "sesame" not in browser.current_url

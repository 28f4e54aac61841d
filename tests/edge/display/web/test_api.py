"""What other programs get and may change."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.pages import blocks, commands, lines
from tests.support.posix import needs_posix
from tests.support.viewer import (
    LEFT,
    LONG,
    NASTY,
    RIGHT,
    get,
    put_zones,
    request,
    running,
    scene,
    state_where,
    talk,
    until,
    watch_of,
)

DOCS = Path(__file__).resolve().parents[4] / "docs" / "rest.md"


def read(shown, path, **headers):
    return json.loads(get(shown, path, **headers).body)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "zones.json"


@pytest.fixture
def watched(path):
    """(web, loop) with a zone, a running event, and a file of zones."""
    with running(scene(), watch=watch_of(RIGHT), zones_file=path) as (shown, loop):
        until(lambda: loop.rate.count > 3, "no frames")
        yield shown, loop


def test_state_classes_and_measures(watched):
    shown, loop = watched
    before = loop.rate.count
    state = read(shown, "/api/state")
    assert (state["source"], state["task"], state["live"]) == (
        *("street", "semantic"),
        False,
    )
    assert before <= state["frames"] <= loop.rate.count + 1
    assert state["shares"] == {"dark": 0.5, NASTY: 0.5}
    assert state["zones"]["right"] == {NASTY: {"share": 1.0}}
    assert state["events"][0]["rule"] == "glare"
    (dark, nasty) = read(shown, "/api/classes")["classes"]
    assert dark == {"index": 0, "name": "dark", "color": [0, 90, 255]}
    assert nasty["name"] == NASTY


def test_zones_are_replaced_saved_and_measured(watched, path):
    shown, loop = watched
    before = read(shown, "/api/zones")
    assert before["zones"] == {"right": [list(point) for point in RIGHT.points]}
    answer = put_zones(shown, {"left": LEFT})
    assert answer.status == 200
    after = json.loads(answer.body)
    assert after["zones"] == {"left": LEFT} and after["editable"]
    assert answer.headers["Etag"] == f'"{after["version"]}"'
    assert after["version"] != before["version"]
    assert json.loads(path.read_text(encoding="utf-8")) == {"zones": {"left": LEFT}}
    until(lambda: "left" in read(shown, "/api/zones")["measures"], "not measured")
    assert read(shown, "/api/zones")["measures"]["left"] == {"dark": {"share": 1.0}}
    assert [zone.name for zone in loop.controls.view.zones] == ["left"]


def test_pages_learn_that_zones_have_changed(watched):
    shown, _ = watched
    version = shown.first.zones.version

    async def change(link):
        await state_where(link, lambda state: state["zones_version"] == version)
        shown.first.zones.save([])
        new = shown.first.zones.version
        return await state_where(link, lambda state: state["zones_version"] == new)

    assert talk(shown, change)["events"][0]["running"]


def test_a_change_of_an_old_version_is_refused(watched, path):
    shown, _ = watched
    seen = get(shown, "/api/zones").headers["Etag"]
    assert get(shown, "/api/zones", **{"If-None-Match": seen}).status == 200
    weak = {"If-Match": f"W/{seen}"}  # as proxies that compress answers make it
    assert put_zones(shown, {"left": LEFT}, **weak).status == 200
    answer = put_zones(shown, {}, **{"If-Match": seen})
    assert answer.status == 412
    assert "changed meanwhile" in json.loads(answer.body)["error"]
    assert json.loads(path.read_text(encoding="utf-8"))["zones"] == {"left": LEFT}
    assert put_zones(shown, {}, **{"If-Match": "*"}).status == 200


@pytest.mark.parametrize(
    ("zones", "message"),
    [
        ({"a": [[0, 0], [1, 0]]}, "zones: zone 'a': has 2 points; give 3 to 1000"),
        ({"a": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "edges after points 1 and 3 cross"),
        ({"tür ☃": [[0, 0], [2, 0], [1, 1]]}, "zone 'tür ☃': point 2 is [2, 0]"),
        ([], "zones: the request is {'zones': []}; send"),
    ],
)
def test_mistakes_are_told_in_one_line(watched, path, zones, message):
    answer = put_zones(watched[0], zones)
    content = json.loads(answer.body)
    assert answer.status == 400 and list(content) == ["error"]
    assert message in content["error"] and "\n" not in content["error"]
    assert not path.exists()


@needs_posix
def test_a_disk_that_cannot_be_written_does_not_end_the_camera(tmp_path):
    gone = tmp_path / "gone" / "zones.json"
    with running(scene(), watch=watch_of(RIGHT), zones_file=gone) as (shown, loop):
        answer = put_zones(shown, {})
        assert answer.status == 500
        assert "cannot be written" in json.loads(answer.body)["error"]
        before = loop.rate.count
        until(lambda: loop.rate.count > before, "the loop has stopped")
        assert list(read(shown, "/api/zones")["zones"]) == ["right"]


def test_without_a_file_zones_are_not_saved():
    with running(scene()) as (shown, _):
        assert read(shown, "/api/zones") == {
            **{"zones": {}, "version": "", "editable": False, "measures": {}}
        }
        answer = put_zones(shown, {})
        assert answer.status == 409 and b"--zones FILE" in answer.body


def test_events(watched):
    shown, _ = watched
    (event,) = read(shown, "/api/events")["events"]
    assert (event["rule"], event["running"], event["end"]) == ("glare", True, None)
    assert event["value"] == pytest.approx(0.5, abs=0.01)
    until(
        lambda: read(shown, "/api/events")["events"][0]["seconds"] > event["seconds"],
        "it does not last",
    )
    assert read(shown, "/api/events?limit=1")["events"]
    for limit in ("0", "-1", "1001", "many", "", "9" * 50, "%C2%B2"):
        answer = get(shown, f"/api/events?limit={limit}")
        assert answer.status == 400, limit
        assert b"from 1 to 1000" in answer.body


def test_pages_of_other_sites_get_no_answer(watched):
    shown, _ = watched
    here = f"http://127.0.0.1:{shown.listener.port}"
    for path in ("/api/state", "/api/zones", "/metrics", "/api/snapshot.png"):
        for headers, status in (
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": here.replace("http", "https") + "1"}, 403),
            ({"Origin": "http://[::1"}, 403),  # no address at all
            ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
            ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
            ({"Sec-Fetch-Site": "same-origin", "Origin": here}, 200),
        ):
            shown.limit.most = shown.limit.per_second = 1e6  # this test asks often
            assert get(shown, path, **headers).status == status, (path, headers)
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "same-site"}):
        assert put_zones(shown, {}, **headers).status == 403
    assert shown.first.zones.to_json()
    answer = request(shown, "OPTIONS", "/api/zones", Origin="http://evil.example")
    assert answer.status == 403
    assert not any(name.startswith("Access-Control") for name in answer.headers)


def test_a_program_gives_the_token_in_a_header():
    with running(scene(), "0.0.0.0:0", "open-sesame") as (shown, loop):
        until(lambda: loop.rate.count, "no frames")
        token = {"Authorization": "Bearer open-sesame"}
        for path in ("/api/state", "/metrics", "/api/snapshot.jpg", "/"):
            answer = get(shown, path, **token)
            assert answer.status == 200
            assert b"sesame" not in answer.body
        assert get(shown, "/api/state?token=open-sesame").status == 200
        cookie = {"Cookie": f"{shown.listener.cookie}=open-sesame"}
        assert get(shown, "/api/state", **cookie).status == 200


def test_an_error_of_the_program_is_one_line_without_the_token(capsys):
    with running(scene(), "127.0.0.1:0", "open-sesame") as (shown, loop):
        shown.first.source = None  # a mistake of this program
        answer = get(shown, "/api/state?token=open-sesame")
        assert (answer.status, answer.body) == (
            500,
            b'{"error": "Internal Server Error"}\n',
        )
        assert get(shown, "/api/classes?token=open-sesame").status == 200
    log = capsys.readouterr().err
    assert "--serve: GET /api/state failed (AttributeError(" in log
    assert "sesame" not in log and "Traceback" not in log


def test_a_client_that_asks_too_often_is_told_when_to_ask_again(watched):
    shown, loop = watched
    shown.limit.per_second, shown.limit.most = 2.0, 4.0
    now = [0.0]
    shown.limit.clock = lambda: now[0]
    assert [get(shown, "/api/classes").status for _ in range(5)] == [200] * 4 + [429]
    answer = get(shown, "/metrics")
    assert answer.status == 429 and answer.headers["Retry-After"] == "1"
    assert list(json.loads(answer.body)) == ["error"]
    # A change costs five, which are never there: the page and its stream are free.
    assert put_zones(shown, {}).headers["Retry-After"] == "3"
    assert get(shown, "/").status == 200
    now[0] = 1.0
    assert get(shown, "/api/classes").status == 200


def test_a_request_that_is_too_long_is_refused(watched):
    shown, _ = watched
    answer = put_zones(shown, "x" * (1 << 16))
    assert answer.status == 413 and b"more than 65536 bytes" in answer.body
    # Of unknown length: as soon as there is too much.
    with socket.create_connection(("127.0.0.1", shown.listener.port)) as caller:
        caller.settimeout(LONG)
        head = b"PUT /api/zones HTTP/1.1\r\nHost: localhost\r\n"
        caller.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(20):
                caller.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
                time.sleep(0.01)
            assert caller.recv(100).startswith(b"HTTP/1.1 4") or not caller.recv(1)
        except (BrokenPipeError, ConnectionResetError):
            pass
    for body in (b"x" * 10, b"x" * 100_000):  # other paths take no body at all
        with socket.create_connection(("127.0.0.1", shown.listener.port)) as caller:
            caller.settimeout(LONG)
            head = b"GET /api/state HTTP/1.1\r\nHost: localhost\r\n"
            caller.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
            assert caller.recv(100).startswith(b"HTTP/1.1 400")
    assert shown.first.zones.to_json()


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_the_examples_of_the_docs(tmp_path):
    examples = [
        words
        for block in blocks(DOCS)
        if block.language == "sh"
        for line in lines(block)
        for words in commands(line)
        if words[0] == "curl"
    ]
    assert len(examples) == 6
    options = {"watch": watch_of(RIGHT), "zones_file": tmp_path / "zones.json"}
    with running(scene(given="door"), "0", "A-LONG-SECRET", **options) as (shown, loop):
        until(lambda: loop.rate.count > 1, "no frames")
        for words in examples:
            port = f":{shown.listener.port}/"
            done = subprocess.run(
                [word.replace(":8080/", port) for word in words] + ["-sf"],
                capture_output=True,
                cwd=tmp_path,
                timeout=LONG,
            )
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            if "-o" not in words:
                assert "error" not in json.loads(done.stdout)
    for name in ("view.jpg", "door.jpg"):
        assert (tmp_path / name).stat().st_size > 1000
    assert list(json.loads((tmp_path / "zones.json").read_bytes())["zones"]) == ["door"]

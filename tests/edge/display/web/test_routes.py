"""Every path of the server: its description, and who gets an answer."""

import json
import re
import socket

import cv2
import numpy as np
import pytest

from edge.display.web.api import DESCRIPTION
from edge.display.web.authenticated import methods_of
from edge.display.web.handlers import FOLDER
from edge.display.web.routes import ROUTES
from tests.support.object_results import INSTANCE, Counted, Repeated, instances
from tests.support.viewer import (
    LONG,
    RIGHT,
    SIZE,
    asked,
    handshake,
    images_of,
    put_zones,
    request,
    running,
    scene,
    until,
    watch_of,
)

OPENAPI = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
PATHS = OPENAPI["paths"]
METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS")
WORDS = r"[\w ,:?=().-]+"
PUBLIC = re.compile(rf"[0-9]{{3}}: {WORDS}\n|\{{\"error\": \"{WORDS}\"\}}\n")


def test_the_description_has_each_path_and_method_of_the_server_and_no_other():
    described = {path: sorted(name.upper() for name in PATHS[path]) for path in PATHS}
    assert described == {path: methods_of(ROUTES[path]) for path in ROUTES}


def test_each_file_of_the_page_is_served():
    beside = {f"/{path.name}" for path in FOLDER.iterdir()} - {"/page.html"}
    files = {name for name in beside if name.endswith((".css", ".js", ".html"))}
    assert files and files <= set(ROUTES)


def resolve(part):
    """A part of the description, or the one that it refers to."""
    if "$ref" not in part:
        return part
    found = OPENAPI
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def check_json(content, schema):
    """Fails if the content does not fit a schema of the description."""
    jsonschema = pytest.importorskip("jsonschema")
    whole = {"components": OPENAPI["components"], **schema}
    checker = jsonschema.Draft202012Validator(
        whole, format_checker=jsonschema.FormatChecker()
    )
    checker.validate(content)


def check_answer(path, method, answer):
    """Fails if the answer is not as described."""
    described = resolve(PATHS[path][method.lower()]["responses"][str(answer.status)])
    ((kind, content),) = described["content"].items()
    assert answer.headers["Content-Type"].partition(";")[0] == kind, path
    for name in described.get("headers", {}):
        assert answer.headers[name]
    if kind == "application/json":
        check_json(json.loads(answer.body), content["schema"])
    elif kind.startswith("image/"):
        assert cv2.imdecode(np.frombuffer(answer.body, np.uint8), 1).shape[:2] == SIZE
    else:
        assert answer.body


def test_the_schemas_are_valid_and_the_example_fits():
    jsonschema = pytest.importorskip("jsonschema")
    for schema in OPENAPI["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    body = PATHS["/api/zones"]["put"]["requestBody"]["content"]["application/json"]
    check_json(body["example"], body["schema"])


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server with a zone, a running event and a file of zones."""
    path = tmp_path_factory.mktemp("zones") / "zones.json"
    watch = watch_of(RIGHT)
    with running(scene(), watch=watch, zones_file=path) as (shown, loop):
        until(lambda: loop.rate.count > 3, "no frames")
        shown.limit.most = shown.limit.per_second = 1e6  # these tests ask often
        yield shown


READ = [path for path in ROUTES if "GET" in methods_of(ROUTES[path])]


@pytest.mark.parametrize("path", [path for path in READ if path != "/link"])
def test_each_path_answers_as_described(path, served):
    if path == "/stream.mjpg":
        with asked(served.listener.port, path) as answer:
            assert next(images_of(answer))[1].shape[:2] == SIZE
        return
    answer = request(served, "GET", path)
    assert answer.status == 200
    check_answer(path, "GET", answer)


def test_the_link_answers_as_described(served):
    assert handshake(served) == 101
    answer = request(served, "GET", "/link")
    assert (answer.status, b"WebSocket" in answer.body) == (400, True)


def test_errors_are_as_described(served):
    answer = request(served, "GET", "/api/events?limit=0")
    assert answer.status == 400
    check_answer("/api/events", "GET", answer)
    for status, answer in (
        (200, put_zones(served, {"left": [[0, 0], [0.5, 0], [0.5, 1]]})),
        (400, put_zones(served, {"left": [[0, 0], [0.5, 0]]})),
        (412, put_zones(served, {}, **{"If-Match": '"0123456789abcdef"'})),
        (413, put_zones(served, "x" * 70_000)),
        (415, put_zones(served, {}, **{"Content-Type": "text/plain"})),
        (403, put_zones(served, {}, Origin="http://evil.example")),
    ):
        assert answer.status == status, answer
        check_answer("/api/zones", "PUT", answer)


def test_kept_frames_are_as_described(served):
    kept, path = ["20261127-013000-000.png", None], "/api/capture"
    statuses = []
    for keep, body in (
        (None, None),
        (lambda: kept.pop(0), "{}"),
        (lambda: kept.pop(0), None),
        (lambda: kept.pop(0), "x" * 70_000),
    ):
        served.first.controls.capture = keep
        answer = request(served, "POST", path, body)
        check_answer(path, "POST", answer)
        statuses.append(answer.status)
    served.first.controls.capture = None
    assert statuses == [409, 200, 503, 413]
    evil = request(served, "POST", path, Origin="http://evil.example")
    assert evil.status == 403


def test_objects_and_crossings_are_as_described():
    found = instances((0, 0.9, 20, 40, 60, 80), size=SIZE)
    options = {"predictor": Repeated(found, INSTANCE), "counter": Counted()}
    watch = watch_of(RIGHT, rules=(), info=INSTANCE)
    with running(scene(), **options, watch=watch) as (shown, loop):
        until(lambda: loop.rate.count > 3, "no frames")
        for path in ("/api/state", "/api/zones", "/api/classes", "/metrics"):
            check_answer(path, "GET", request(shown, "GET", path))
        answer = put_zones(shown, {})  # without a file
        assert answer.status == 409
        check_answer("/api/zones", "PUT", answer)


@pytest.mark.parametrize("token", ["", "?token=wrong", "?token="])
def test_a_stranger_gets_nothing_from_any_path(token):
    """By any method, with any body, whether the path exists or not."""
    watch = watch_of(RIGHT)
    with running(scene(), "127.0.0.1:0", "open-sesame", watch=watch) as (shown, loop):
        until(lambda: loop.rate.count > 1, "no frames")
        for path in (
            *ROUTES,
            "/api/",
            "/api/none",
            "/none",
            "/page.html",
            "/server.py",
        ):
            for method in METHODS:
                answer = request(shown, method, path + token)
                assert answer.status == 403, (method, path)
                body = answer.body.decode()
                assert PUBLIC.fullmatch(body) or (method == "HEAD" and not body)
                assert "sesame" not in body + str(answer.headers)
        for header in ("Bearer", "Bearer ", "Bearer wrong", "Basic open-sesame"):
            answer = request(shown, "GET", "/api/state", Authorization=header)
            assert answer.status == 403
        assert put_zones(shown, {}).status == 403
        assert handshake(shown) == 403
        before = shown.first.zones.version
        assert request(shown, "BREW", "/api/zones").status == 405
        assert shown.first.zones.version == before


def test_a_host_of_another_name_gets_nothing_from_any_path(served):
    for path in (*ROUTES, "/api/none", "/none"):
        for method in METHODS:
            assert request(served, method, path, Host="evil.example").status == 403


@pytest.mark.parametrize("path", [path for path in ROUTES if path != "/link"])
def test_other_methods_are_refused_with_those_that_there_are(path, served):
    allowed = methods_of(ROUTES[path])
    for method in set(METHODS) - set(allowed):
        answer = request(served, method, path)
        assert (answer.status, answer.headers["Allow"]) == (405, ", ".join(allowed))


def test_a_body_of_a_stranger_is_not_read():
    """The answer comes although the body never does."""
    with running(scene(), "127.0.0.1:0", "open-sesame") as (shown, _):
        where = "127.0.0.1", shown.listener.port
        with socket.create_connection(where, timeout=LONG) as caller:
            head = b"PUT /api/zones HTTP/1.1\r\nHost: localhost\r\n"
            caller.sendall(head + b"Content-Length: 60000\r\n\r\n")
            assert caller.recv(100).startswith(b"HTTP/1.1 403")

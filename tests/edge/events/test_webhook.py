"""Posts of events to real servers on this machine."""

import json
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edge.events import webhook
from edge.events.webhook import WAITING, Webhook
from tests.support.events import END, START, shown
from tests.support.posix import needs_linux


class Receiver(BaseHTTPRequestHandler):
    """Answers with the statuses that its server has left, then with 204."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), json.loads(body)))
        self.server.blocked.wait(10)
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):
        pass


@contextmanager
def receiving(*statuses, port=0):
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    server.got, server.statuses, server.blocked = [], list(statuses), threading.Event()
    server.blocked.set()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def address(server, path="/hook"):
    return f"http://127.0.0.1:{server.server_port}{path}"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(webhook, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(webhook, "LONGEST_PAUSE", 0.05)


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_events_are_posted_in_order_with_a_header(capsys):
    with receiving() as server:
        sink = Webhook(address(server), ("X-Token", "s3cret"))
        sink.take(shown())
        sink.take(shown(START))
        sink.take(shown(END))
        sink.close()
    assert [body for _, _, body in server.got] == [START.to_json(), END.to_json()]
    path, headers, _ = server.got[0]
    assert (path, headers["X-Token"]) == ("/hook", "s3cret")
    assert headers["Content-Type"] == "application/json"
    assert sink.sent == 2 and capsys.readouterr().err == ""


def test_a_server_that_fails_for_a_while(capsys):
    with receiving(500, 503, 429) as server:
        sink = Webhook(address(server))
        sink.take(shown(START))
        until(lambda: sink.sent == 1)
        sink.close()
    assert len(server.got) == 4
    shown_lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[2] for line in shown_lines] == [
        "the server answers with status 500; trying again",
        "it answers again",
    ]


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_refusal_is_not_tried_again(capsys, status):
    with receiving(status) as server:
        sink = Webhook(address(server))
        sink.take(shown(START))
        until(lambda: server.got)
        sink.close()
    assert len(server.got) == 1  # neither again, nor at another address
    first, last = capsys.readouterr().err.splitlines()
    assert first.endswith(f"the server answers with status {status}; the event is lost")
    assert last.endswith("1 messages were not delivered")


def test_no_server_and_no_secret_in_messages(capsys):
    with receiving() as server:
        port = server.server_port
    token = "T0kenThatNobodySees42"
    sink = Webhook(f"http://127.0.0.1:{port}/services/{token}?key={token}")
    sink.take(shown(START))
    until(lambda: sink._failing)
    sink.close()
    text = capsys.readouterr().err
    assert "no connection (Connection refused); trying again" in text
    assert text.splitlines()[-1].endswith("1 messages were not delivered")
    assert token not in text and f"127.0.0.1:{port}/" in text


def test_what_waits_is_sent_when_the_server_is_back():
    with receiving() as server:
        port = server.server_port
    sink = Webhook(f"http://127.0.0.1:{port}/hook")
    sink.take(shown(START))
    sink.take(shown(END))
    until(lambda: sink._failing)
    with receiving(port=port) as server:
        until(lambda: sink.sent == 2)
        sink.close()
    assert [body["event"] for _, _, body in server.got] == ["started", "ended"]


def test_the_loop_never_waits_and_what_does_not_fit_is_counted(capsys, monkeypatch):
    monkeypatch.setattr(webhook, "CLOSE_SECONDS", 0.2)
    with receiving() as server:
        server.blocked.clear()
        sink = Webhook(address(server))
        sink.take(shown(START))
        until(lambda: server.got)
        begin = time.monotonic()
        sink.take(shown(*[START] * (WAITING + 5)))
        assert time.monotonic() - begin < 1
        assert sink.lost == 5
        sink.close()
        first, last = capsys.readouterr().err.splitlines()
        server.blocked.set()
        sink._thread.join()  # it would write into the output of another test
    assert first.endswith(f"an event is lost ({WAITING} events wait to be sent)")
    assert last.endswith(f"{WAITING + 6} messages were not delivered")


@needs_linux
def test_a_certificate_that_nobody_has_signed_is_refused(tmp_path, capsys):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with receiving() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # the handshake that the client ends
        sink = Webhook(address(server).replace("http:", "https:"))
        sink.take(shown(START))
        until(lambda: sink.lost)
        sink.close()
    assert not server.got
    text = capsys.readouterr().err
    assert "the server's certificate is not trusted (self" in text
    assert "; the event is lost" in text


def test_a_server_without_https_is_not_spoken_to_as_if_it_had_it(capsys):
    with receiving() as server:
        sink = Webhook(address(server).replace("http:", "https:"))
        sink.take(shown(START))
        until(lambda: sink._failing)
        sink.close()
    assert not server.got
    assert "no connection (" in capsys.readouterr().err
